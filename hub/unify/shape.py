"""One reply into the parts a channel can carry: by characters or SMS segments, never by bytes.

What a channel cannot show is said in words where that is possible (choices become a numbered list,
a place its name and coordinates) and refused where it is not (files). The parts are sent in order
and stop at the first that fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.model.channel import Capabilities
from hub.model.content import Choice, Content, Location, MediaKind
from hub.model.errors import ShapeRefused
from hub.unify.cutting import cut_text
from hub.unify.sms import SmsSize, sms_segments

__all__ = ["MAX_PARTS", "MediaDescriptor", "ShapedPart", "SmsSize", "shape", "sms_segments"]

MAX_PARTS = 20
"""More than so many messages in a row is not an answer but a document."""


@dataclass(frozen=True, slots=True)
class MediaDescriptor:
    """A file of the reply; `ref` is opaque and comes back in the part (an attachment id)."""

    kind: MediaKind
    content_type: str
    size_bytes: int
    ref: str = ""


@dataclass(frozen=True, slots=True)
class ShapedPart:
    """One message to hand over. `segments`: SMS it costs, 0 on other channels."""

    content: Content
    media: tuple[MediaDescriptor, ...] = ()
    segments: int = 0


def shape(
    content: Content, media: Sequence[MediaDescriptor], capabilities: Capabilities
) -> list[ShapedPart]:
    """Return the parts, at least one, in the order to send them.

    The text comes first; files follow in groups of `max_media`, the first group together with the
    end of the text when `text_with_media`. Joined, the texts are the reply's text except for white
    space where it was cut.

    Raises:
        ShapeRefused: with a `reason`; nothing is dropped silently.
    """
    _check_media(media, capabilities)
    texts = _texts(content, capabilities)
    groups = [
        tuple(media[at : at + capabilities.max_media])
        for at in range(0, len(media), max(capabilities.max_media, 1))
    ]
    if not texts and not groups:
        raise ShapeRefused(reason="empty")
    joint = bool(texts and groups and capabilities.text_with_media)
    count = len(texts) + len(groups) - joint
    if count > MAX_PARTS:
        raise ShapeRefused(reason="too_many_parts", limit=MAX_PARTS, actual=count)
    parts = [
        ShapedPart(
            _content(content, text, capabilities, whole=len(texts) == 1, last=at == len(texts) - 1),
            groups[0] if joint and at == len(texts) - 1 else (),
            sms_segments(text).segments if capabilities.sms_segments else 0,
        )
        for at, text in enumerate(texts)
    ]
    for group in groups[joint:]:
        subject = content.subject if capabilities.subject else None
        parts.append(ShapedPart(Content(subject=subject), group))
    return parts


def _check_media(media: Sequence[MediaDescriptor], capabilities: Capabilities) -> None:
    if media and not capabilities.max_media:
        raise ShapeRefused(reason="no_media", limit=0, actual=len(media))
    for index, item in enumerate(media):
        if not _accepted(item.content_type, capabilities.media_types):
            raise ShapeRefused(reason="media_type", index=index)
        limit = capabilities.max_media_bytes
        if limit and item.size_bytes > limit:
            raise ShapeRefused(
                reason="media_size", index=index, limit=limit, actual=item.size_bytes
            )


def _accepted(content_type: str, accepted: Sequence[str]) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    family = plain.partition("/")[0]
    return not accepted or any(
        pattern.lower() in (plain, f"{family}/*", "*/*", "*") for pattern in accepted
    )


def _texts(content: Content, capabilities: Capabilities) -> list[str]:
    """Return the pieces of what is said in words, none of them blank."""
    said = [content.text] if content.text.strip() else []
    if content.location is not None:
        said.append(_place(content.location))
    if content.choices and not capabilities.choices:
        said.append(_menu(content.choices))
    if not said and content.choices:
        raise ShapeRefused(reason="empty")  # buttons without a question
    text = said[0] if len(said) == 1 else "\n\n".join(said)
    limit = capabilities.max_text_chars
    # Far too long is refused before it is cut: cutting costs time.
    if len(text) > 2 * MAX_PARTS * limit:
        raise ShapeRefused(reason="too_many_parts", limit=MAX_PARTS, actual=-(-len(text) // limit))
    texts = cut_text(text, limit)
    if capabilities.sms_segments:
        segments = sum(sms_segments(part).segments for part in texts)
        if segments > capabilities.max_segments:
            raise ShapeRefused(
                reason="too_many_segments", limit=capabilities.max_segments, actual=segments
            )
    return texts


def _content(
    whole_content: Content, text: str, capabilities: Capabilities, *, whole: bool, last: bool
) -> Content:
    return Content(
        text=text,
        html=whole_content.html if capabilities.html and whole else None,
        subject=whole_content.subject if capabilities.subject else None,
        choices=whole_content.choices if capabilities.choices and last else (),
    )


def _place(location: Location) -> str:
    spot = f"{location.latitude:.6f}, {location.longitude:.6f}"
    return f"{location.label}\n{spot}" if location.label else spot


def _menu(choices: Sequence[Choice]) -> str:
    return "\n".join(f"{number}. {choice.label}" for number, choice in enumerate(choices, 1))
