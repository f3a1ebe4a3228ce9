// Wires the parts of the console together.

import { API, Problem, root } from './api.js';
import { copyAs } from './copyas.js';
import { Detail } from './detail.js';
import { byId, say } from './dom.js';
import { Feed } from './feed.js';
import { KeysPane } from './keyspane.js';
import { Navigation, view } from './navigation.js';
import { Session } from './session.js';
import { listen } from './shortcuts.js';
import { Stats } from './stats.js';
import { showStatus } from './status.js';
import { switchTheme } from './theme.js';
import { TreeActions } from './treeactions.js';
import { TreeView } from './treeview.js';
import { Watch } from './watch.js';
import { WatchPrefix } from './watchprefix.js';
import { showWho } from './who.js';

/** maxEach is how many changes in one chunk of the stream update the tree one by one. With more, the tree is reloaded. */
const maxEach = 2000;
const patience = 3000; // ms that the tree waits for the watch

const session = new Session();
const api = new API(session);
const watch = new Watch(api);
const watchPrefix = new WatchPrefix(session);
const tree = new TreeView(api);
const keysPane = new KeysPane(tree);
const treeActions = new TreeActions(api, tree);
const detail = new Detail(api);
const navigation = new Navigation(tree, detail);
const feed = new Feed();
const stats = new Stats(api);

function create(prefix = tree.prefix()) {
  if (session.state !== 'locked' && session.rights.any('write')) navigation.create(prefix);
}

function remove() {
  if (!treeActions.delete()) detail.delete();
}

async function showHotKeys() {
  try {
    const { showHot } = await import('./hot.js');
    const key = await showHot(api);
    if (key) navigation.go(key);
  } catch {
    say('The server could not be reached.', 'error');
  }
}

// The session.

async function unlock(event) {
  event.preventDefault();
  const field = byId('key');
  const key = field.value.trim();
  const failure = byId('login-failure');
  const reject = (text) => { failure.textContent = text; failure.hidden = false; };
  failure.hidden = true;
  if (!/^[\x20-\x7e]+$/.test(key)) return reject(key ? 'An API key contains only ASCII characters.' : 'Enter an API key.');
  let caller = null;
  try {
    caller = await api.caller(key);
  } catch (error) {
    // With a valid key but an unavailable store, the console opens and reports the store as unavailable.
    if (!(error instanceof Problem) || error.status === 401) return reject(error.status === 401 ? 'The server rejected this API key.' : error.message);
  }
  field.value = '';
  session.unlock(key, caller, byId('remember').checked);
}

let running = false;
let shown = 0; // grows with each call of showAll

function sessionChanged() {
  const locked = session.state === 'locked';
  const login = byId('login');
  if (locked && !login.open) login.showModal();
  if (!locked && login.open) login.close();
  byId('login-why').textContent = session.detail;
  byId('login-why').hidden = !session.detail;
  if (locked && running) stop();
  if (!locked && !running) start();
  if (session.state === 'online' && watch.state === 'waiting') watch.nudge();
  if (session.state === 'online' && running) recover();
  status();
}

async function start() {
  running = true;
  stats.start();
  if (!session.caller) await identify();
  if (running) showAll();
}

// showAll shows everything that the API key may read. The tree waits for the watch, so that it misses no change in between.
async function showAll() {
  const run = ++shown;
  watch.start(watchPrefix.get());
  if (!detail.editor) navigation.follow();
  const begun = await watch.begun(patience);
  if (!running || run !== shown) return;
  keysPane.show();
  if (!begun) reloadLater();
}

// reloadLater loads the tree again once the watch has begun.
function reloadLater() {
  watch.addEventListener('begin', () => tree.reload(), { once: true });
}

// identify asks what the API key may do, and reports whether that is new. Until it is known, everything is offered.
async function identify() {
  const { key } = session;
  const before = JSON.stringify(session.caller?.grants);
  const caller = await api.caller().catch(() => null);
  if (!caller || key !== session.key) return false;
  session.knows(caller);
  return JSON.stringify(caller.grants) !== before;
}

// recover loads what could not be loaded.
async function recover() {
  if (!session.caller && await identify()) showAll();
  else tree.retry();
}

async function refresh() {
  if (!running) return;
  if (await identify()) showAll();
  else tree.reload();
}

// stop ends all calls and clears what was read from the screen. An open editor keeps its draft.
function stop() {
  running = false;
  stats.stop();
  watch.stop();
  tree.clear();
  feed.clear();
  if (!detail.editor) detail.close();
}

function status() { showStatus(session, watch, stats.until); }

// Events of the watch.

watch.addEventListener('changes', ({ detail: changes }) => {
  stats.sawChanges(changes.length);
  feed.add(changes);
  for (const change of changes) detail.changed(change);
  if (changes.length > maxEach) tree.reload();
  else for (const change of changes) tree.changed(change.key, change.entry);
});
watch.addEventListener('gap', () => {
  feed.mark('The server no longer keeps the changes since the connection broke. Some are missing here.');
  tree.reload();
  detail.refresh();
});
watch.addEventListener('state', async () => {
  status();
  if (watch.state === 'refused' && await identify()) showAll(); // the rights of the key have changed
});

// User input.

function delayed(ms, f) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(f, ms);
  };
}

byId('login-form').addEventListener('submit', unlock);
byId('login').addEventListener('cancel', (event) => event.preventDefault());
byId('lock').addEventListener('click', () => session.lock());
byId('new').addEventListener('click', () => create());
byId('feed-copy').addEventListener('click', () => copyAs({ op: 'watch', prefix: byId('feed-prefix').value }));
byId('hot').addEventListener('click', showHotKeys);
byId('help').addEventListener('click', () => byId('shortcuts').showModal());
byId('shortcuts-close').addEventListener('click', () => byId('shortcuts').close());
byId('retry').addEventListener('click', () => stats.now());
byId('feed-prefix').addEventListener('input', delayed(400, () => {
  if (!running) return;
  feed.clear();
  watch.start(byId('feed-prefix').value);
  reloadLater();
}));
keysPane.addEventListener('refresh', refresh);
tree.addEventListener('enter', async ({ detail: key }) => {
  if (!watchPrefix.follow(key)) return;
  feed.clear();
  watch.start(watchPrefix.get());
  reloadLater();
});
tree.addEventListener('open', ({ detail: key }) => navigation.go(key));
treeActions.addEventListener('create', ({ detail: prefix }) => create(prefix));
treeActions.addEventListener('deleted', ({ detail: has }) => { if (has(detail.key) && !detail.editor) navigation.go(''); });
feed.addEventListener('open', ({ detail: key }) => navigation.go(key));
detail.addEventListener('opened', ({ detail: key }) => navigation.go(key));
detail.addEventListener('deleted', ({ detail: key }) => { tree.changed(key, null); navigation.go(''); });
detail.addEventListener('closed', () => navigation.go(''));
detail.addEventListener('copyas', ({ detail: action }) => copyAs(action));
session.addEventListener('change', sessionChanged);
session.addEventListener('caller', () => showWho(session));
addEventListener('hashchange', () => { if (running && navigation.elsewhere) navigation.follow(); });
// A page that the browser keeps for going back must not keep connections: a browser has six for the server.
addEventListener('pagehide', () => {
  stats.stop();
  watch.stop();
});
addEventListener('pageshow', ({ persisted }) => { if (persisted && running) start(); });
addEventListener('online', () => { if (running) stats.now(); });
addEventListener('beforeunload', (event) => { if (detail.editor?.dirty) event.preventDefault(); });
listen({
  '/': () => { view('keys'); keysPane.find(); },
  n: () => create(),
  e: () => detail.edit(),
  t: () => detail.setTTL(),
  c: () => { if (detail.key) copyAs(detail.action()); },
  d: remove,
  Delete: remove,
  r: refresh,
  g: () => { view('keys'); tree.focus(); },
  p: () => byId('feed-pause').click(),
  '?': () => byId('shortcuts').showModal(),
});
setInterval(() => showWho(session), 1000);
setInterval(() => { if (session.state === 'offline' || session.state === 'trouble' || watch.state === 'waiting') status(); }, 500);
byId('origin').textContent = root.replace(/^https?:\/\//, '');
switchTheme(byId('theme'));
view('keys');
sessionChanged();
