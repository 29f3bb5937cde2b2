// SPDX-License-Identifier: BSL-1.0
"use strict";

const at = id => document.getElementById(id);
const longest = 2000;
const shown_at_most = 500;

let board = "";        // the server's life that the ids below belong to
let last = 0;          // the newest message that is shown
let day = "";          // of that message
let mine = new Set();  // ids of what was posted here
let following = true;  // the reader is at the end, and wants to stay there
let socket = null;
let tries = 0;
let timer = 0;

// --- what is shown

function set_status(state, text) {
  at("status").dataset.state = state;
  at("status-text").textContent = text;
}

function set_people(n) {
  at("people").textContent = n === 1 ? "only you here" : n + " people here";
}

function hue(name) {
  let h = 0;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

function node(tag, kind, text) {
  const e = document.createElement(tag);
  e.className = kind;
  if (text !== undefined) e.textContent = text;  // never as HTML: it is somebody else's
  return e;
}

function show(message) {
  const when = new Date(message.at);
  const list = at("messages");
  const its_day = when.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
  if (its_day !== day) {
    if (day || its_day !== new Date().toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" })) list.append(node("li", "day", its_day));
    day = its_day;
  }
  const item = node("li", mine.has(message.id) ? "message mine" : "message");
  item.dataset.id = message.id;
  const face = node("span", "face", [...message.name][0].toUpperCase());
  face.setAttribute("aria-hidden", "true");
  face.style.setProperty("--hue", hue(message.name));
  const who = node("div", "who");
  const time = node("time", "", when.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = when.toISOString();
  who.append(node("b", "", message.name), time);
  item.append(face, who, node("p", "said", message.text));
  list.append(item);
  while (list.children.length > shown_at_most) list.firstElementChild.remove();
}

function at_end() {
  const s = at("scroll");
  return s.scrollHeight - s.scrollTop - s.clientHeight < 40;
}
function to_end() {
  at("scroll").scrollTop = at("scroll").scrollHeight;
  at("newer").hidden = true;
}

function add(messages) {
  const fresh = messages.filter(m => m.id > last);
  const follow = following || fresh.some(m => mine.has(m.id));
  for (const m of fresh) {
    show(m);
    last = m.id;
  }
  at("loading").hidden = true;
  at("empty").hidden = last > 0;
  if (fresh.length === 0) return;
  if (follow) to_end();
  else at("newer").hidden = false;
}

function restart(name) {
  board = name;
  last = 0;
  day = "";
  mine = new Set();
  at("messages").replaceChildren();
}

// --- the live connection

function connect() {
  clearTimeout(timer);
  if (socket) return;
  set_status("connecting", tries ? "Reconnecting…" : "Connecting…");
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  socket = new WebSocket(scheme + location.host + "/live?after=" + last + "&board=" + encodeURIComponent(board));
  socket.onmessage = event => {
    const frame = JSON.parse(event.data);
    if (frame.type === "history") {
      tries = 0;
      at("trouble").hidden = true;
      set_status("live", "Live");
      if (frame.board !== board) restart(frame.board);
      set_people(frame.people);
      add(frame.messages);
    } else if (frame.type === "message") {
      add([frame.message]);
    } else if (frame.type === "people") {
      set_people(frame.people);
    }
  };
  socket.onclose = event => {
    socket = null;
    at("people").textContent = "";
    // What was missed is asked for at the next connection: `after` says where to go on.
    const wait = event.code === 1013 ? 0 : Math.min(15, 0.5 * 2 ** tries) * (0.75 + Math.random() / 2);
    ++tries;
    set_status("lost", "Offline");
    if (tries > 1 || event.code === 1001) {
      at("loading").hidden = true;
      at("trouble").hidden = false;
      at("trouble-text").textContent = (event.code === 1001 ? "It has shut down. " : "") + "Trying again in " + Math.max(1, Math.round(wait)) + " s. What you write is kept.";
    }
    timer = setTimeout(connect, wait * 1000);
  };
}

// --- writing

function length_of(text) { return [...text].length; }

function check_length() {
  const n = length_of(at("text").value.trim());
  at("count").textContent = n > longest * 0.8 ? n + " of " + longest : "";
  at("count").classList.toggle("over", n > longest);
  return n;
}

function remember(name) {
  try { localStorage.setItem("name", name); } catch { /* private windows may have none */ }
}
function remembered() {
  try { return localStorage.getItem("name") || ""; } catch { return ""; }
}

let posting = false;
async function post() {
  const n = check_length();
  if (posting || n === 0) return;
  at("problem").textContent = n > longest ? "The message is too long." : "";
  if (n > longest) return;
  posting = true;
  at("send").setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch("/messages", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: at("name").value, text: at("text").value }),
      signal: AbortSignal.timeout(20000),
    });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.error);
    mark_mine(result.id);
    at("text").value = "";
    check_length();
    remember(at("name").value);
  } catch (error) {
    at("problem").textContent = "Not posted: " + (error instanceof TypeError || error.name === "TimeoutError" ? "the board cannot be reached." : error.message + ".");
  } finally {
    posting = false;
    at("send").removeAttribute("aria-disabled");
    at("text").focus();
  }
}

/// The message may have come back before the answer, or not yet.
function mark_mine(id) {
  mine.add(id);
  const item = document.querySelector('[data-id="' + Number(id) + '"]');
  if (!item) return;
  item.classList.add("mine");
  to_end();
}

at("form").addEventListener("submit", event => { event.preventDefault(); post(); });
at("text").addEventListener("input", () => { at("problem").textContent = ""; check_length(); });
at("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); post(); }
});
at("newer").addEventListener("click", to_end);
at("scroll").addEventListener("scroll", () => {
  following = at_end();
  if (following) at("newer").hidden = true;
});
new ResizeObserver(() => { if (following) to_end(); }).observe(at("scroll"));
at("retry").addEventListener("click", connect);
addEventListener("online", connect);
document.addEventListener("visibilitychange", () => { if (!document.hidden && !socket) connect(); });
at("name").value = remembered();
connect();
