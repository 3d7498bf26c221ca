"""Decisions about who sees an application, and who may take it back."""

from shared.caller import Caller
from shared.errors import Forbidden, NotFound

# The portal speaks for the applicants who filed through it; what reached a bureau in another way is not theirs to see there.
CHANNELS_OF_APPLICANTS = frozenset({"portal"})


class NotYourFiling(Forbidden):
    code = "not-your-filing"
    title_en = "The application was filed by somebody else"
    title_zh = "该申报由其他渠道报送"
    remedy_en = "The applicant withdraws through the channel by which the application was filed."
    remedy_zh = "请由申报单位通过原申报渠道撤回。"


def sees_own_only(caller: Caller) -> bool:
    return caller.kind == "system" and caller.channel in CHANNELS_OF_APPLICANTS


def is_visible(caller: Caller, *, jurisdiction_id: str, filed_by: str) -> bool:
    """What lies in the caller's jurisdictions; of that, the portal sees what it filed itself."""
    return caller.covers(jurisdiction_id) and (filed_by == caller.id or not sees_own_only(caller))


def check_filer(caller: Caller, *, filed_by: str) -> None:
    """Only who filed an application withdraws it: another system of the district does not speak for the applicant."""
    if caller.id != filed_by:
        raise NotYourFiling("Another system filed this application.", detail_zh="该申报不是由贵系统报送的，不能代为撤回。")


def no_such_application(*, pointer: str | None = None) -> NotFound:
    return NotFound("There is no such application.", detail_zh="未找到该申报。", pointer=pointer)
