"""Trying the credentials before they are saved."""

from pydantic import BaseModel, ConfigDict

from hub.adapters.slack.client import Nothing, PortWebClient, call
from hub.adapters.slack.config import SlackConfig
from hub.model.channel import HttpPort, ProbeReport
from hub.model.errors import SendError

_CANNOT_CONNECT = frozenset({"connect_failed", "timeout", "cut_off", "target_refused", "too_large"})


class Identity(BaseModel):
    """What `auth.test` says about a token."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    team: str = ""
    team_id: str = ""
    user: str = ""
    user_id: str = ""
    bot_id: str = ""


async def probe(config: SlackConfig, http: HttpPort) -> ProbeReport:
    """Make the harmless calls. Facts: team, team_id, user, bot_user_id."""
    bot = PortWebClient(http, base_url=config.api_base, token=config.bot_token.get_secret_value())
    try:
        known = await call(bot, "auth.test", {}, Identity, visible=False)
        if config.mode == "socket":
            app_token = config.app_token.get_secret_value()
            app = PortWebClient(http, base_url=config.api_base, token=app_token)
            await call(app, "apps.connections.open", {}, Nothing, visible=False)
    except SendError as error:
        code = "cannot_connect" if error.code in _CANNOT_CONNECT else error.code
        return ProbeReport(ok=False, code=code, facts={"provider_code": error.provider_code})
    facts = {
        "team": known.team,
        "team_id": known.team_id,
        "user": known.user,
        "bot_user_id": known.user_id,
    }
    if config.team_id and known.team_id != config.team_id:
        return ProbeReport(ok=False, code="other_team", facts=facts)
    return ProbeReport(ok=True, facts=facts)
