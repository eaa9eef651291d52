"""Everybody in the demo: who works at the simulated telecom company and who writes to it."""

from dataclasses import dataclass, field

from hub.model.visibility import Role

COMPANY = "Huaxin Telecom 华信通信"
ZONE = "Asia/Shanghai"
MAIL_DOMAIN = "huaxin.example"
MAILBOX = f"service@{MAIL_DOMAIN}"

FRONT_LINE = "Front line 一线"
BROADBAND = "Broadband faults 宽带故障"
BILLING = "Billing 账务"
COMPLAINTS = "Complaints 投诉"
VIP = "VIP 贵宾"
SLACK_PARTNERS = "Slack partners 合作伙伴"

HEAD_OFFICE, SHANDONG, GUANGDONG, JINAN, GUANGZHOU = (
    "Head office 集团总部", "Shandong 山东", "Guangdong 广东", "Jinan 济南", "Guangzhou 广州",
)  # fmt: skip
UNITS: tuple[tuple[str, str | None], ...] = (
    (HEAD_OFFICE, None),
    (SHANDONG, HEAD_OFFICE),
    (GUANGDONG, HEAD_OFFICE),
    (JINAN, SHANDONG),
    (GUANGZHOU, GUANGDONG),
)
"""Name and parent, parents first."""

SKILLS = ("broadband", "billing", "mobile", "lang_zh", "lang_en")
TAGS: tuple[tuple[str, str], ...] = (
    ("broadband", "#0b6bcb"), ("outage", "#b42318"), ("billing", "#7a5af8"),
    ("complaint", "#b54708"), ("mobile", "#087443"), ("partner", "#344054"),
    ("praise", "#0e7090"), ("app", "#6938ef"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who works here. `queues`: queue to staff tier."""

    email: str
    name: str
    unit: str
    roles: frozenset[Role]
    language: str = "zh-CN"
    skills: dict[str, int] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)


_AGENT = frozenset({Role.AGENT})
_SUPERVISOR = frozenset({Role.AGENT, Role.SUPERVISOR})
_EVERYTHING = frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR, Role.AGENT})

COLLEAGUES: tuple[Colleague, ...] = (
    Colleague(
        f"chen.wei@{MAIL_DOMAIN}", "Chen Wei 陈伟", JINAN, _AGENT,
        skills={"lang_zh": 5, "lang_en": 3, "broadband": 3, "mobile": 4},
        queues={FRONT_LINE: 1, BROADBAND: 1},
    ),
    Colleague(
        f"wang.fang@{MAIL_DOMAIN}", "Wang Fang 王芳", JINAN, _AGENT,
        skills={"lang_zh": 5, "billing": 4, "mobile": 3},
        queues={FRONT_LINE: 1, BILLING: 1, COMPLAINTS: 1},
    ),
    Colleague(
        f"emma.brown@{MAIL_DOMAIN}", "Emma Brown", GUANGZHOU, _AGENT, "en",
        skills={"lang_en": 5, "lang_zh": 2, "billing": 4, "mobile": 4},
        queues={FRONT_LINE: 1, BILLING: 1, VIP: 1},
    ),
    Colleague(
        f"liu.yang@{MAIL_DOMAIN}", "Liu Yang 刘洋", GUANGZHOU, _AGENT,
        skills={"lang_zh": 5, "lang_en": 4, "broadband": 5},
        queues={BROADBAND: 2, FRONT_LINE: 2, SLACK_PARTNERS: 1},
    ),
    Colleague(
        f"james.li@{MAIL_DOMAIN}", "James Li 李杰", HEAD_OFFICE, _AGENT, "en",
        skills={"lang_en": 5, "lang_zh": 5, "broadband": 5, "mobile": 5},
        queues={BROADBAND: 3, SLACK_PARTNERS: 2, VIP: 2},
    ),
    Colleague(
        f"zhao.min@{MAIL_DOMAIN}", "Zhao Min 赵敏", SHANDONG, _SUPERVISOR,
        skills={"lang_zh": 5, "lang_en": 3, "billing": 5, "broadband": 4},
        queues={COMPLAINTS: 2, BILLING: 2, FRONT_LINE: 3},
    ),
    Colleague(
        f"sarah.jones@{MAIL_DOMAIN}", "Sarah Jones", HEAD_OFFICE, _SUPERVISOR, "en",
        skills={"lang_en": 5, "lang_zh": 3, "billing": 4, "mobile": 5},
        queues={VIP: 1, COMPLAINTS: 3, BILLING: 3, SLACK_PARTNERS: 3},
    ),
    Colleague(
        f"admin@{MAIL_DOMAIN}", "Sun Li 孙丽", HEAD_OFFICE, _EVERYTHING,
        skills={"lang_zh": 5, "lang_en": 4},
    ),
    Colleague(
        f"audit@{MAIL_DOMAIN}", "Zhou Jie 周洁", HEAD_OFFICE, frozenset({Role.AUDITOR}),
    ),
)  # fmt: skip

QUEUES: tuple[tuple[str, str, dict[str, object]], ...] = (
    (FRONT_LINE, SHANDONG, {}),
    (BROADBAND, HEAD_OFFICE, {"sla_policy": "emergency"}),
    (BILLING, HEAD_OFFICE, {}),
    (COMPLAINTS, SHANDONG, {"sla_policy": "complaint"}),
    (VIP, HEAD_OFFICE, {"sla_policy": "emergency"}),
    (SLACK_PARTNERS, HEAD_OFFICE, {}),
)
"""Name, unit whose supervisors watch over it, settings. Agents of any city serve them."""


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated customer. Empty: has no such address.

    Attributes:
        account: the site's own account id; signs the web chat's visitor.
        web: also chats on the website, nameless without an account.
    """

    name: str
    language: str
    level: str = "basic"
    phone: str = ""
    email: str = ""
    telegram: int = 0
    slack: str = ""
    account: str = ""
    web: bool = False
    group: str = ""

    @property
    def ways(self) -> tuple[str, ...]:
        """Return the channel kinds the person writes on."""
        found = {
            "webchat": self.web or bool(self.account),
            "email": bool(self.email),
            "twilio_sms": bool(self.phone),
            "telegram": bool(self.telegram),
            "slack": bool(self.slack),
        }
        return tuple(kind for kind, has in found.items() if has)


# Nobody's numbers: 555-0100 to 555-0199 is kept for stories, and 13800138… is the example series
# every Chinese text book uses. Nothing is ever sent anywhere but to the simulators.
PEOPLE: tuple[Person, ...] = (
    Person("李娜", "zh-CN", "gold", phone="+8613800138001", account="acc-1001"),
    Person("张强", "zh-CN", "silver", telegram=880001, phone="+8613800138002"),
    Person("Anna Schmidt", "en", "diamond", email="anna.schmidt@mail.example", account="acc-1003"),
    Person("王秀英", "zh-CN", "basic", phone="+8613800138004", group="elderly"),
    Person("刘建国", "zh-CN", "basic", email="liujianguo@post.example"),
    Person("Tom Baker", "en", "basic", phone="+12025550105"),
    Person("陈晓", "zh-CN", "silver", account="acc-1007", email="chenxiao@post.example"),
    Person("Maria Garcia", "en", "gold", telegram=880008),
    Person("杨帆", "zh-CN", "basic", telegram=880009),
    Person("Olivia Wilson", "en", "basic", web=True),
    Person("赵磊", "zh-CN", "basic", web=True),
    Person("Peter Novak", "en", "silver", email="peter.novak@mail.example", phone="+12025550112"),
    Person("黄丽", "zh-CN", "diamond", account="acc-1013", phone="+8613800138013"),
    Person("周涛", "zh-CN", "basic", email="zhoutao@post.example"),
    Person("Grace Kim", "en", "basic", account="acc-1015", telegram=880015),
    Person("吴静", "zh-CN", "gold", telegram=880016),
    Person("Rahul Mehta (Northwind Apps)", "en", "3A", slack="U0RAHUL01"),
    Person("Julia Berg (Northwind Apps)", "en", "3A", slack="U0JULIA01"),
    Person("马超（云帆科技）", "zh-CN", "2A", slack="U0MACHAO1"),
    Person("林悦（云帆科技）", "zh-CN", "2A", slack="U0LINYUE1"),
    Person("Daniel Fox", "en", "basic", email="daniel.fox@mail.example"),
    Person("徐梅", "zh-CN", "silver", phone="+8613800138022"),
    Person("Lucy Turner", "en", "silver", phone="+12025550123", web=True),
    Person("孙浩", "zh-CN", "basic", email="sunhao@post.example", telegram=880024),
    Person("Noah Clark", "en", "basic", web=True),
    Person("何雪", "zh-CN", "basic", web=True),
    Person("郭伟", "zh-CN", "basic", phone="+8613800138027"),
    Person("Emily Stone", "en", "gold", email="emily.stone@mail.example"),
)

CANNED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("hello", "Greeting 问候", {
        "en": "Good day, you have reached Huaxin Telecom. How can I help you?",
        "zh-CN": "您好，华信通信为您服务，请问有什么可以帮您？"}),
    ("identity", "Identity check 身份核验", {
        "en": "To protect your account, please give me the last four digits of your ID.",
        "zh-CN": "为了保护您的账户安全，请提供证件号码后四位做身份核验。"}),
    ("wait", "One moment 请稍候", {
        "en": "One moment please, I am looking it up.",
        "zh-CN": "请您稍候，正在为您查询。"}),
    ("restart", "Restart the box 重启光猫", {
        "en": "Please unplug the power of the box for one minute and plug it in again.",
        "zh-CN": "请将光猫断电一分钟后再重新开机。"}),
    ("visit", "Field visit 上门预约", {
        "en": "A colleague can come to you. When are you at home?",
        "zh-CN": "可以为您预约装维人员上门，请问您什么时间方便？"}),
    ("sorry", "Apology 致歉", {
        "en": "I am sorry for the trouble. I stay responsible for your matter until it is solved.",
        "zh-CN": "很抱歉给您带来不便，您的问题由我负责到底。"}),
    ("notice", "Fault notice 故障公告", {
        "en": "There is a fault in your area; our team is on site. Expected repair: today 18:00.",
        "zh-CN": "您所在区域出现故障，抢修人员已到现场，预计今天18:00恢复。"}),
    ("refund", "Refund started 已办理退费", {
        "en": "The refund is on its way and takes three working days.",
        "zh-CN": "已为您办理退费，三个工作日内到账。"}),
    ("solved", "Is it solved? 确认解决", {
        "en": "Is everything working again on your side?",
        "zh-CN": "请问您的问题已经解决了吗？"}),
    ("bye", "Goodbye 结束语", {
        "en": "Thank you for writing to us. Have a good day!",
        "zh-CN": "感谢您的来信，祝您生活愉快！"}),
)  # fmt: skip
"""Shortcut, title, wording by language."""
