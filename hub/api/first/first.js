// The first page: an agent's inbox over the public API and, in a frame, a customer's chat over the
// widget's protocol. No build and no library: the inbox issue replaces it.

const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

// --- words --------------------------------------------------------------------------------------
const WORDS = {
  en: {
    subtitle: "Omnichannel contact-center hub", email: "E-mail", password: "Password",
    logIn: "Log in", logOut: "Log out", demoTitle: "Log in as", views: "Views",
    demoHint: "This is a demo: everybody here is made up. Each button is a link that works once.",
    conversations: "Conversations", thread: "Conversation", messages: "Messages", offers: "Offers",
    mine: "Mine", unassigned: "Unassigned", all: "All", pickOne: "Choose a conversation.",
    empty: "Nothing here.", resolve: "Resolve", take: "Take over", reply: "Reply",
    note: "Private note", canned: "Canned reply …", text: "Text", write: "Write here; Ctrl Enter sends", writeChat: "Write a message", send: "Send", file: "File",
    customerChat: "Customer's chat", presence: "Presence", sign_in: "Sign in", sign_out: "Sign out",
    set_ready: "Available", set_pause: "Busy", accept: "Accept", decline: "Decline",
    offer: "New conversation", seconds: "{n} s", agent: "Agent", supervisor: "Supervisor",
    administrator: "Administrator", auditor: "Auditor", live: "Live", offline: "Reconnecting …",
    typing: "{name} is typing …", customer: "The customer", nameless: "Unknown customer", deleted: "Deleted by the customer",
    edited: "edited", you: "You", noteOnly: "the customer does not see this", waiting: "we answered",
    open: "we must act", snoozed: "snoozed", resolved: "Resolved", closed: "closed",
    queued: "queued", sending: "sending", sent: "sent", delivered: "delivered", read: "read",
    failed: "failed", unknown: "perhaps sent", seen: "seen", greeting: "Write to us.",
    queue: "{text}", disposition: "solved", switch: "中文", level: "Level", unconfirmed: "sender not confirmed",
    system: {
      started: "Conversation began", taken: "Taken by {agent}", transferred: "Handed on",
      escalated: "Escalated", owner_changed: "Owner: {to}", snoozed: "Snoozed", woken: "Back again",
      resolved: "Resolved: {disposition}", reopened: "Reopened", closed: "Closed",
      case_opened: "Case #{number} opened", case_changed: "Case changed", case_solved: "Case solved",
    },
    codes: {
      login_failed: "E-mail or password is wrong.", too_many_requests: "Wait a moment, please.",
      not_handler: "Somebody else works on this.", offer_gone: "The offer is over.",
      already_taken: "A colleague was faster.", session_over: "Please log in again.",
      not_routable: "Sign in first.", opted_out: "The customer wants no messages there.",
      window_closed: "The reply window is closed.", no_work: "There is nothing to resolve here.",
      network: "The hub cannot be reached.", not_allowed: "You may not do that.",
    },
  },
  "zh-CN": {
    subtitle: "全渠道客户服务中枢", email: "电子邮箱", password: "密码", logIn: "登录", logOut: "退出登录",
    demoTitle: "以下列身份登录", views: "视图",
    demoHint: "这是演示环境，所有人物均为虚构。每个按钮都是一次性登录链接。",
    conversations: "会话列表", thread: "会话", messages: "消息", offers: "新会话提醒",
    mine: "我的", unassigned: "未分配", all: "全部", pickOne: "请选择一个会话。", empty: "暂无会话。",
    resolve: "办结", take: "接手", reply: "回复", note: "内部备注", canned: "快捷回复…", text: "内容", write: "在此输入，Ctrl+Enter 发送", writeChat: "请输入您的问题",
    send: "发送", file: "文件", customerChat: "客户聊天窗口", presence: "坐席状态", sign_in: "签入",
    sign_out: "签出", set_ready: "示闲", set_pause: "示忙", accept: "接入", decline: "拒接",
    offer: "新会话", seconds: "{n} 秒", agent: "坐席", supervisor: "班长", administrator: "系统管理员",
    auditor: "审计员", live: "实时", offline: "正在重新连接……", typing: "{name}正在输入……",
    customer: "客户", nameless: "未知客户", deleted: "客户已删除", edited: "已编辑", you: "我", noteOnly: "客户不可见",
    waiting: "待客户回复", open: "待处理", snoozed: "稍后提醒", resolved: "已办结", closed: "已结单",
    queued: "待发送", sending: "发送中", sent: "已发送", delivered: "已送达", read: "已读",
    failed: "发送失败", unknown: "发送结果未知", seen: "已读", greeting: "欢迎咨询。", queue: "{text}",
    disposition: "已解决", switch: "English", level: "客户等级", unconfirmed: "发件人未核验",
    system: {
      started: "会话开始", taken: "{agent} 接入", transferred: "已转交", escalated: "已升级",
      owner_changed: "首问责任人：{to}", snoozed: "稍后提醒", woken: "到时提醒", resolved: "已办结：{disposition}",
      reopened: "重新激活", closed: "已结单", case_opened: "服务单 #{number} 已建立",
      case_changed: "服务单已更新", case_solved: "服务单已解决",
    },
    codes: {
      login_failed: "邮箱或密码错误。", too_many_requests: "请稍候再试。", not_handler: "其他坐席正在处理。",
      offer_gone: "该提醒已失效。", already_taken: "已被其他坐席接入。", session_over: "请重新登录。",
      not_routable: "请先签入。", opted_out: "客户已退订该渠道。", window_closed: "已超出可回复时间。",
      no_work: "当前无需办结。", network: "无法连接到服务器。", not_allowed: "您没有权限。",
    },
  },
};
const store = { // private windows may refuse storage; the page works without
  get: (key) => { try { return sessionStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* not kept */ } },
};
let language = store.get("language") || (navigator.language.startsWith("zh") ? "zh-CN" : "en");
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
const t = (key, values = {}) => fill(WORDS[language][key] ?? key, values);
const ofCode = (code) => WORDS[language].codes[code] || code;

function speak() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]"))
    node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]")) node.placeholder = t(node.dataset.hint);
  for (const node of document.querySelectorAll("[data-language]")) node.textContent = t("switch");
}
const clock = (iso) => {
  const at = new Date(iso), day = new Date().toDateString() === at.toDateString();
  const form = day ? { hour: "2-digit", minute: "2-digit" } : { month: "numeric", day: "numeric" };
  return at.toLocaleString(language, form);
};

// --- talking to the hub -------------------------------------------------------------------------
let csrf = "";
class Problem extends Error {
  constructor(code, params = {}) { super(code); this.code = code; this.params = params; }
}
async function call(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (csrf && method !== "GET") headers["X-CSRF-Token"] = csrf;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch { throw new Problem("network"); }
  if (answer.status === 204) return null;
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(data.code || String(answer.status), data.params);
  return data;
}
const API = "/api/v1";

// --- a message, the same for both sides ---------------------------------------------------------
function showMessage(list, id, side, { by = "", text = "", state = "", bad = false, files = [] }) {
  let item = list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  if (!item) {
    item = $("message").content.firstElementChild.cloneNode(true);
    item.dataset.id = id;
    list.append(item);
  }
  item.className = side;
  item.querySelector(".by").textContent = by;
  item.querySelector(".text").textContent = text;
  const states = item.querySelector(".state");
  states.textContent = state;
  states.classList.toggle("bad", bad);
  item.querySelector(".files").replaceChildren(...files);
  if (follows) list.scrollTop = list.scrollHeight;
  return item;
}
const isPicture = (file) => /^image\/(png|jpeg|gif|webp)$/.test(file.content_type);

// --- the agent's desk ---------------------------------------------------------------------------
const desk = {
  me: null, agents: new Map(), queues: new Map(), channels: new Map(), talks: new Map(), offers: new Map(), read: {},
  view: "mine", open: null, cursor: null, socket: null, wait: 1000, typed: 0, ahead: 0, timer: 0,
};
const VIEWS = {
  mine: (c) => c.handler_agent_id === desk.me.id && ["open", "waiting"].includes(c.state),
  unassigned: (c) => !c.handler_agent_id && c.state === "open",
  all: (c) => ["open", "waiting", "snoozed"].includes(c.state),
  resolved: (c) => ["resolved", "closed"].includes(c.state),
};
const nameOf = (id) => (id === desk.me?.id ? t("you") : desk.agents.get(id)?.display_name || "");

async function logInPage() {
  $("login").hidden = false;
  try {
    const { items } = await call("GET", `${API}/demo/people`);
    const roles = (person) => person.roles.filter((role) => role !== "integration").map((role) => t(role));
    $("people").replaceChildren(...items.map((person) => {
      const button = make("button", { type: "button" }, person.name,
        make("small", { textContent: roles(person).join(" · ") }));
      button.addEventListener("click", () => logInAs(person.id));
      return make("li", {}, button);
    }));
    $("demo").hidden = false;
  } catch { $("demo").hidden = true; } // no demo: these routes do not exist
}
async function logInAs(id) {
  try {
    const { url } = await call("POST", `${API}/demo/login-links`, { agent_id: id });
    await enter(await call("POST", `${API}/links/login`, { secret: url.split("#")[1] }));
  } catch (problem) { $("login-said").textContent = ofCode(problem.code); }
}
$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = event.target;
  try {
    await enter(await call("POST", `${API}/session`, { email: email.value, password: password.value }));
  } catch (problem) { $("login-said").textContent = ofCode(problem.code); }
});
$("log-out").addEventListener("click", async () => {
  await call("DELETE", `${API}/session`).catch(() => null);
  location.reload();
});

async function enter(session) {
  csrf = session.csrf;
  desk.me = session.agent;
  desk.may = session.powers;
  if (!desk.may.reply && !desk.may.supervise) desk.view = "all";
  $("login").hidden = true;
  $("desk").hidden = false;
  $("me").textContent = desk.me.display_name;
  const [agents, queues, channels, canned] = await Promise.all([
    call("GET", `${API}/agents`), call("GET", `${API}/queues`).catch(() => ({ items: [] })),
    call("GET", `${API}/channels`).catch(() => ({ items: [] })),
    desk.may.reply ? call("GET", `${API}/canned-replies`) : { items: [] },
  ]);
  for (const agent of agents.items) desk.agents.set(agent.id, agent);
  for (const queue of queues.items) desk.queues.set(queue.id, queue.name);
  for (const channel of channels.items) desk.channels.set(channel.id, channel.name);
  desk.canned = canned.items;
  $("canned").append(...canned.items.map((one) => make("option", { value: one.id, textContent: `/${one.shortcut}  ${one.title}` })));
  showViews();
  showPresence();
  await loadList();
  $("composer").hidden = !desk.may.reply;
  $("presence").hidden = !desk.may.reply;
  if (desk.may.reply) await loadOffers();
  connect();
}

// lists
function showViews() {
  $("views").replaceChildren(...Object.keys(VIEWS).map((view) => {
    const tab = make("button", { type: "button", textContent: t(view) });
    tab.setAttribute("aria-pressed", String(view === desk.view));
    tab.addEventListener("click", () => { desk.view = view; showViews(); loadList(); });
    return tab;
  }));
}
async function loadList() {
  const page = await call("GET", `${API}/conversations?view=${desk.view}&limit=100`);
  desk.cursor ??= page.cursor;
  for (const talk of page.items) keep(talk);
  Object.assign(desk.read, page.read);
  showList();
}
function keep(talk) {
  const known = desk.talks.get(talk.id);
  if (!known || known.version <= talk.version) desk.talks.set(talk.id, talk);
}
let listDue = 0;
function listSoon() { // at most twice a second, so that rows do not jump under the pointer
  listDue ||= setTimeout(() => { listDue = 0; showList(); }, 500);
}
function showList() {
  const found = [...desk.talks.values()].filter(VIEWS[desk.view])
    .sort((a, b) => b.last_message_at.localeCompare(a.last_message_at));
  const focused = document.activeElement?.dataset?.talk;
  $("list").replaceChildren(...(found.length ? found.map(row) : [make("li", { className: "empty", textContent: t("empty") })]));
  if (focused) $("list").querySelector(`[data-talk="${CSS.escape(focused)}"]`)?.focus();
}
function row(talk) {
  const unread = talk.last_number > (desk.read[talk.id] ?? 0) && talk.state === "open";
  const name = make("b", {}, talk.customer_name || t("nameless"));
  if (unread) name.prepend(make("span", { className: "dot" }));
  const button = make("button", { type: "button" },
    make("span", { className: "top" }, name, make("time", { dateTime: talk.last_message_at, textContent: clock(talk.last_message_at) })),
    make("div", { className: "preview", textContent: talk.preview || talk.subject || "…" }),
    make("div", { className: "chips", textContent: [desk.channels.get(talk.last_channel_id), desk.queues.get(talk.queue_id), t(talk.state), nameOf(talk.handler_agent_id)].filter(Boolean).join(" · ") }));
  button.dataset.talk = talk.id;
  button.classList.toggle("new", unread);
  if (talk.id === desk.open) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => show(talk.id));
  return make("li", {}, button);
}

// one conversation
async function show(id) {
  desk.open = id;
  say({ type: "viewing", conversation_id: id });
  const [detail, page] = await Promise.all([
    call("GET", `${API}/conversations/${id}`), call("GET", `${API}/conversations/${id}/messages?limit=100`),
  ]);
  if (desk.open !== id) return; // somebody clicked on
  keep(detail.detail.conversation);
  desk.cases = detail.detail.cases;
  $("nothing").hidden = true;
  $("talk").hidden = false;
  $("typing").textContent = $("said").textContent = "";
  $("composer").elements.mode.value = "reply";
  $("composer").classList.remove("note");
  $("messages").replaceChildren();
  for (const message of page.items) showHere(message);
  $("messages").scrollTop = $("messages").scrollHeight;
  showHead();
  showList();
  markRead();
}
function showHead() {
  const talk = desk.talks.get(desk.open);
  if (!talk) return;
  const number = desk.cases?.map((one) => `#${one.number}`).join(" ");
  $("name").textContent = talk.customer_name || t("nameless");
  $("facts").textContent = [t(talk.state), talk.customer_level, desk.queues.get(talk.queue_id), number,
    nameOf(talk.handler_agent_id), talk.subject, talk.sender_confirmed ? "" : t("unconfirmed")].filter(Boolean).join(" · ");
  const live = desk.may.reply && ["open", "waiting", "snoozed"].includes(talk.state);
  $("resolve").hidden = !live;
  $("take").hidden = !live || talk.handler_agent_id === desk.me.id;
}
function showHere(message) {
  if (message.conversation_id !== desk.open) return;
  const last = message.deliveries.at(-1);
  const bad = ["failed", "unknown"].includes(last?.state);
  let by = message.direction === "in" ? desk.talks.get(desk.open)?.customer_name || t("customer") : nameOf(message.author_id);
  if (message.direction === "note") by = `${by} · ${t("note")} (${t("noteOnly")})`;
  let text = message.visible ?? message.text;
  if (message.direction === "system") { by = ""; text = systemLine(message.system); }
  if (message.deleted_at) text = text || t("deleted");
  const state = [message.direction === "system" ? "" : clock(message.recorded_at), desk.channels.get(message.channel_id), message.edited_at && t("edited"),
    last && t(last.state), last?.error_code].filter(Boolean).join(" · ");
  const item = showMessage($("messages"), message.id, message.direction, { by, text, bad, state, files: message.attachments.map(fileOf) });
  item.dataset.number = message.number;
  while (item.previousElementSibling && Number(item.previousElementSibling.dataset.number) > message.number)
    item.previousElementSibling.before(item);
}
function systemLine(line) {
  const known = WORDS[language].system[line?.code];
  const params = { ...line };
  if (params.disposition === "solved") params.disposition = t("disposition");
  for (const key of ["agent", "from", "to"]) params[key] = nameOf(params[key]) || params[key];
  return known ? fill(known, params) : line?.code || "";
}
function fileOf(file) {
  const href = `${API}/attachments/${file.id}`;
  const shown = file.state === "stored" && isPicture(file)
    ? make("img", { src: href, alt: file.filename, loading: "lazy" })
    : make("span", { textContent: `${file.filename || file.kind} (${file.state === "stored" ? Math.ceil(file.size_bytes / 1024) + " kB" : file.state})` });
  return make("li", {}, file.state === "stored" ? make("a", { href, target: "_blank", rel: "noopener" }, shown) : shown);
}
function markRead() {
  const talk = desk.talks.get(desk.open);
  if (!talk || document.hidden || (desk.read[talk.id] ?? 0) >= talk.last_number) return;
  desk.read[talk.id] = talk.last_number;
  call("POST", `${API}/conversations/${talk.id}/read`, { number: talk.last_number }).catch(() => null);
  listSoon();
}

// writing
const mode = () => $("composer").elements.mode.value;
for (const radio of $("composer").elements.mode)
  radio.addEventListener("change", () => $("composer").classList.toggle("note", mode() === "note"));
$("canned").addEventListener("change", () => {
  const texts = desk.canned.find((one) => one.id === $("canned").value)?.texts ?? {};
  const wanted = desk.talks.get(desk.open)?.language || language;
  $("text").value = texts[wanted] ?? texts[language] ?? Object.values(texts)[0] ?? "";
  $("canned").value = "";
  $("text").focus();
});
$("text").addEventListener("keydown", (event) => {
  if (event.isComposing) return; // Enter chooses a pinyin candidate
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("composer").requestSubmit();
});
$("text").addEventListener("input", () => {
  if (mode() === "note" || Date.now() - desk.typed < 3000) return;
  desk.typed = Date.now();
  say({ type: "typing", conversation_id: desk.open });
});
$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const id = desk.open, text = $("text").value.trim();
  if (!text) return;
  const take = desk.talks.get(id)?.handler_agent_id !== desk.me.id;
  await orSay(async () => {
    const body = { client_id: crypto.randomUUID(), text };
    const made = mode() === "note"
      ? await call("POST", `${API}/conversations/${id}/notes`, body)
      : await call("POST", `${API}/conversations/${id}/messages`, { ...body, take });
    $("text").value = "";
    showHere(made);
  }, $("send"));
});
$("resolve").addEventListener("click", () => orSay(() => call("POST",
  `${API}/conversations/${desk.open}/resolve`, { disposition: "solved" }), $("resolve")));
$("take").addEventListener("click", () => orSay(() => call("POST",
  `${API}/conversations/${desk.open}/take`, {}), $("take")));
async function orSay(work, button) {
  $("said").textContent = "";
  button.disabled = true;
  try { await work(); } catch (problem) {
    $("said").textContent = ofCode(problem.code);
  } finally { button.disabled = false; }
}

// presence and offers
function showPresence() {
  const me = desk.agents.get(desk.me.id) ?? desk.me;
  const on = me.duty !== "off", ready = me.readiness === "ready";
  const moves = on ? [["set_ready", ready], ["set_pause", !ready], ["sign_out", null]] : [["sign_in", null]];
  $("presence").replaceChildren(...moves.map(([move, pressed]) => {
    const button = make("button", { type: "button", textContent: t(move), className: move === "sign_in" ? "strong" : "" });
    if (pressed !== null) button.setAttribute("aria-pressed", String(pressed));
    button.addEventListener("click", () => presence(move));
    return button;
  }));
}
async function presence(move) {
  try {
    const me = await call("POST", `${API}/me/presence`, { move, reason: move === "set_pause" ? "busy" : null });
    desk.agents.set(me.id, me);
    showPresence();
  } catch (problem) { $("feed").textContent = ofCode(problem.code); }
}
async function loadOffers() {
  const { items } = await call("GET", `${API}/offers`).catch(() => ({ items: [] }));
  for (const offer of items) offered(offer);
}
function offered(offer) {
  if (!offer || offer.agent_id !== desk.me.id) return;
  if (offer.state === "offered") desk.offers.set(offer.id, offer); else desk.offers.delete(offer.id);
  showOffers();
}
function showOffers() {
  clearTimeout(desk.timer);
  const known = new Set([...$("offers").children].map((node) => node.dataset.id));
  for (const node of [...$("offers").children]) if (!desk.offers.has(node.dataset.id)) node.remove();
  for (const offer of desk.offers.values()) {
    const left = Math.round((new Date(offer.expires_at) - Date.now() - desk.ahead) / 1000);
    if (left < -2) { desk.offers.delete(offer.id); continue; }
    if (!known.has(offer.id)) $("offers").append(offerNode(offer));
    const node = $("offers").querySelector(`[data-id="${CSS.escape(offer.id)}"] span`);
    if (node) node.textContent = t("seconds", { n: Math.max(0, left) });
  }
  if (desk.offers.size) desk.timer = setTimeout(showOffers, 1000);
}
function offerNode(offer) {
  const talk = desk.talks.get(offer.conversation_id);
  const about = [t("offer"), desk.queues.get(offer.queue_id), talk?.customer_name, talk?.preview].filter(Boolean).join(" · ");
  const seconds = make("span");
  seconds.setAttribute("aria-hidden", "true"); // a countdown read out every second helps nobody
  const node = make("div", { className: "offer" }, make("p", { textContent: about }), seconds);
  node.dataset.id = offer.id;
  for (const answer of ["accept", "decline"]) {
    const button = make("button", { type: "button", textContent: t(answer) });
    button.addEventListener("click", async () => {
      desk.offers.delete(offer.id);
      node.remove();
      try {
        await call("POST", `${API}/offers/${offer.id}/${answer}`, {});
        if (answer === "accept" && offer.conversation_id) await show(offer.conversation_id);
      } catch (problem) { $("feed").textContent = ofCode(problem.code); }
    });
    node.append(button);
  }
  return node;
}

// the live feed
function say(frame) {
  if (desk.socket?.readyState === WebSocket.OPEN) desk.socket.send(JSON.stringify(frame));
}
function connect() {
  const after = desk.cursor === null ? "" : `?after=${desk.cursor}`;
  const socket = desk.socket = new WebSocket(`${location.origin.replace("http", "ws")}${API}/live${after}`);
  socket.addEventListener("message", (event) => took(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    if (event.code === 4401) { location.reload(); return; }
    $("feed").textContent = t("offline");
    $("feed").classList.add("bad");
    setTimeout(connect, desk.wait);
    desk.wait = Math.min(desk.wait * 2, 30000);
  });
}
function took(frame) {
  if (frame.seq) desk.cursor = frame.seq;
  if (frame.conversation) { keep(frame.conversation); listSoon(); }
  const [noun] = frame.type.split(".");
  if (frame.type === "hello") {
    desk.wait = 1000;
    desk.ahead = new Date(frame.now) - Date.now();
    $("feed").textContent = t("live");
    $("feed").classList.remove("bad");
    if (desk.open) say({ type: "viewing", conversation_id: desk.open });
  } else if (frame.type === "reset") {
    location.reload();
  } else if (frame.type === "typing") {
    if (frame.conversation_id !== desk.open) return;
    $("typing").textContent = t("typing", { name: frame.by === "customer" ? t("customer") : nameOf(frame.agent_id) });
    clearTimeout(desk.fade);
    desk.fade = setTimeout(() => { $("typing").textContent = ""; }, (frame.ttl_s ?? 6) * 1000);
  } else if (frame.type === "conversation.left") {
    desk.talks.delete(frame.data.id);
    listSoon();
  } else if (noun === "offer") {
    offered(frame.data);
  } else if (noun === "agent" && frame.data) {
    desk.agents.set(frame.data.id, frame.data);
    if (frame.data.id === desk.me.id) showPresence();
  } else if (noun === "conversation" && frame.data) {
    keep(frame.data);
    listSoon();
  } else if (["message", "delivery", "attachment"].includes(noun) && frame.data) {
    showHere(frame.data);
    if (frame.type === "message.received") $("typing").textContent = "";
  } else if (frame.data?.direction) {
    showHere(frame.data); // a line that an event of the work wrote
  }
  const here = frame.conversation?.id ?? frame.data?.conversation_id;
  if (here && here === desk.open) { showHead(); markRead(); lines(frame); }
}
let linesDue = 0;
function lines(frame) { // remarks of the hub come with events of the work: fetch what is new
  if (frame.type.startsWith("message") || frame.type.startsWith("delivery")) return;
  linesDue ||= setTimeout(async () => {
    linesDue = 0;
    const page = await call("GET", `${API}/conversations/${desk.open}/messages?limit=20`).catch(() => null);
    for (const message of page?.items ?? []) showHere(message);
  }, 300);
}
document.addEventListener("visibilitychange", markRead);

// --- the customer's chat, in a frame of its own -------------------------------------------------
$("show-chat").addEventListener("click", () => {
  const shown = $("chat").hidden;
  $("chat").hidden = !shown;
  $("show-chat").setAttribute("aria-expanded", String(shown));
  if (shown && !$("chat").firstElementChild)
    $("chat").append(make("iframe", { src: "/first?frame=widget", title: t("customerChat") }));
});

const visit = { token: store.get("visitor"), cursor: 0, socket: null, waiting: new Map(), wait: 1000, typed: 0 };

async function chat() {
  $("widget").hidden = false;
  const { items } = await call("GET", "/first/channels");
  if (!items.length) { $("widget-said").textContent = ofCode("channel_not_found"); return; }
  visit.channel = items[0].id;
  await beginChat();
}
async function beginChat() {
  const session = await call("POST", "/widget/v1/session", {
    channel_id: visit.channel, token: visit.token, language, page: location.origin + "/first",
    prechat: { name: language === "en" ? "Visitor" : "访客" },
  });
  visit.token = session.token;
  store.set("visitor", session.token);
  visit.cursor = session.cursor;
  $("widget-title").textContent = session.config.title || t("customerChat");
  $("widget-state").textContent = session.config.welcome?.[language] || t("greeting");
  for (const message of session.messages) showChat(message);
  connectChat();
}
function connectChat() {
  const socket = visit.socket = new WebSocket(`${location.origin.replace("http", "ws")}/widget/v1/live`);
  socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "auth", token: visit.token, after: visit.cursor })));
  socket.addEventListener("message", (event) => heard(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    if ([4400, 4403, 4410].includes(event.code)) return;
    setTimeout(event.code === 4401 ? beginChat : connectChat, visit.wait);
    visit.wait = Math.min(visit.wait * 2, 30000);
  });
}
function heard(frame) {
  if (frame.cursor) visit.cursor = Math.max(visit.cursor, frame.cursor);
  if (frame.type === "hello") {
    visit.wait = 1000;
    for (const waiting of visit.waiting.values()) visit.socket.send(JSON.stringify(waiting));
  } else if (frame.type === "message") {
    showChat(frame.message);
  } else if (frame.type === "ack") {
    visit.waiting.delete(frame.client_id);
    if (frame.message) showChat(frame.message);
  } else if (frame.type === "error") {
    visit.waiting.delete(frame.client_id);
    $("widget-said").textContent = ofCode(frame.code);
  } else if (frame.type === "typing") {
    $("widget-typing").textContent = frame.on ? t("typing", { name: frame.name || t("agent") }) : "";
    clearTimeout(visit.fade);
    visit.fade = setTimeout(() => { $("widget-typing").textContent = ""; }, 6000);
  } else if (frame.type === "queue" && frame.text) {
    $("widget-state").textContent = frame.text;
  } else if (frame.type === "agent") {
    $("widget-state").textContent = frame.name || t("greeting");
  } else if (frame.type === "reset") {
    $("widget-messages").replaceChildren();
    frame.messages.forEach(showChat);
  }
}
function showChat(message) {
  const own = message.from === "visitor";
  if (message.client_id) $("widget-messages").querySelector(`[data-id="${CSS.escape(message.client_id)}"]`)?.remove();
  showMessage($("widget-messages"), message.id, own ? "out" : message.from === "system" ? "system" : "in", {
    by: own ? "" : message.name, text: message.deleted ? t("deleted") : message.text,
    state: [clock(message.at), own && message.state && t(message.state)].filter(Boolean).join(" · "),
    files: message.attachments.map((file) => make("li", { textContent: file.filename || file.kind })),
  });
  if (!own && visit.socket?.readyState === WebSocket.OPEN) {
    visit.socket.send(JSON.stringify({ type: "delivered", ids: [message.id] }));
    if (!document.hidden) visit.socket.send(JSON.stringify({ type: "read", id: message.id }));
    $("widget-typing").textContent = "";
  }
}
function tell(text, attachments = []) {
  const frame = { type: "message", client_id: crypto.randomUUID(), text, attachments };
  visit.waiting.set(frame.client_id, frame);
  showMessage($("widget-messages"), frame.client_id, "out", { text, state: t("sending") });
  if (visit.socket?.readyState === WebSocket.OPEN) visit.socket.send(JSON.stringify(frame));
}
$("widget-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("widget-text").value.trim();
  $("widget-said").textContent = "";
  if (text) tell(text);
  $("widget-text").value = "";
});
$("widget-text").addEventListener("keydown", (event) => {
  if (event.isComposing || event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  $("widget-form").requestSubmit();
});
$("widget-text").addEventListener("input", () => {
  if (Date.now() - visit.typed < 3000 || visit.socket?.readyState !== WebSocket.OPEN) return;
  visit.typed = Date.now();
  visit.socket.send(JSON.stringify({ type: "typing", on: true }));
});
$("widget-file").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  const form = new FormData();
  form.append("file", file);
  const answer = await fetch("/widget/v1/files", { method: "POST", body: form, headers: { Authorization: `Bearer ${visit.token}` } });
  const made = await answer.json().catch(() => ({}));
  if (answer.ok) tell("", [made.id]); else $("widget-said").textContent = ofCode(made.code);
  event.target.value = "";
});

// --- begin --------------------------------------------------------------------------------------
for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => {
  language = language === "en" ? "zh-CN" : "en";
  store.set("language", language);
  location.reload();
});
speak();
if (new URLSearchParams(location.search).get("frame") === "widget") {
  chat().catch((problem) => { $("widget-said").textContent = ofCode(problem.code); });
} else {
  call("GET", `${API}/session`).then(enter, logInPage);
}
