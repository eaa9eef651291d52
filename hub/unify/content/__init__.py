"""Content of messages: quoted replies, HTML to safe HTML and text, subjects."""
