// The keys as a tree of levels. A level is loaded only when it is opened, and changes keep what is loaded right.

/** maxDoubts is how many folders are looked at one by one after deletes. With more, the open levels are loaded again. */
const maxDoubts = 20;
const checkPause = 50; // ms

/** Tree emits "change" when something in it has changed, with the child that a change of a key concerns, if any. */
export class Tree extends EventTarget {
  #abort = new AbortController();
  #doubts = new Map(); // child whose last key may be gone → an object for each time
  #checking = false;
  #again = null; // while it reloads: whether that is wanted once more

  constructor(api, root) {
    super();
    this.api = api;
    this.root = root;
  }

  /** stop ends all calls. */
  stop() { this.#abort.abort(); }

  /** more loads the next page of a level. */
  async more(level) {
    if (level.loading) return;
    const loading = level.more(this.api, this.#abort.signal);
    this.#changed();
    await loading;
    this.#loaded(level);
  }

  /** open opens a folder. */
  async open(child) {
    if (!child.level.loaded) await this.more(child.level);
    child.open = true;
    this.#changed();
  }

  /** close closes a folder and all folders inside it. */
  close(child) {
    child.open = false;
    for (const inner of child.level.children) if (inner.open) this.close(inner);
    this.#changed();
  }

  /** reload loads again what is open. What is closed will be loaded when it is opened. */
  async reload() {
    if (this.#again) {
      this.#again.wanted = true; // the one under way may have begun too early
      return;
    }
    this.#again = {};
    do {
      this.#again.wanted = false;
      await this.renew(this.root);
    } while (this.#again.wanted && !this.#abort.signal.aborted);
    this.#again = null;
  }

  /** renew reloads a level and what is open in it. */
  async renew(level) {
    while (level.loading) await level.ready;
    if (!level.fixed) {
      const loading = level.reload(this.api, this.#abort.signal);
      this.#changed();
      await loading;
      this.#loaded(level);
    }
    if (level.error) return;
    for (const child of [...level.children]) {
      if (child.open) await this.renew(child.level);
      else child.level?.forget();
    }
  }

  /** retry loads again the levels that could not be loaded. */
  retry(level = this.root) {
    if (level.error) return this.renew(level);
    return Promise.all(level.children.filter((child) => child.open).map((child) => this.retry(child.level)));
  }

  /** rows returns what is shown, from top to bottom: { thing, depth }. A level stands for its last row, which leads to more. */
  rows(level = this.root, depth = 1, all = []) {
    for (const child of level.children) {
      all.push({ thing: child, depth });
      if (child.open) this.rows(child.level, depth + 1, all);
    }
    if (level.error || level.stale || (level.loaded && !level.complete)) all.push({ thing: level, depth });
    return all;
  }

  /** changed updates what is loaded after a key was stored, or removed if entry is null. */
  changed(key, entry) {
    if (key.startsWith(this.root.prefix)) this.#change(this.root, [key, entry]);
  }

  // change reports whether the level is empty afterwards, or null if that is not known.
  #change(level, change) {
    const [key, entry] = change;
    if (level.hold(change)) return false;
    if (!level.loaded) return entry ? false : null;
    const child = level.find(key);
    if (child?.level) this.#inside(level, child, change);
    else if (!entry && child) level.remove(child);
    else if (child) child.expires = entry.expires;
    if (child) this.#changed(child.open ? null : child);
    else if (entry) this.#changed(level.insert(key, entry.expires));
    return level.children.length > 0 ? false : level.complete || null;
  }

  #inside(level, child, change) {
    const empty = this.#change(child.level, change);
    if (empty && !level.fixed) level.remove(child);
    else if (empty === null) this.#doubt(level, child);
    else if (change[1]) this.#doubts.delete(child);
  }

  #loaded(level) {
    for (const [key, entry] of level.waited()) this.changed(key, entry);
    this.#changed();
  }

  #changed(child = null) { this.dispatchEvent(new CustomEvent('change', { detail: child })); }

  #doubt(level, child) {
    if (level.fixed) return;
    this.#doubts.set(child, {});
    if (!this.#checking) this.#check();
  }

  // check looks whether the folders in doubt still have a key, and removes those that do not.
  async #check() {
    this.#checking = true;
    const { signal } = this.#abort;
    try {
      while (this.#doubts.size > 0) {
        await new Promise((resolve) => { setTimeout(resolve, checkPause); });
        if (signal.aborted) return;
        if (this.#doubts.size > maxDoubts) {
          this.#doubts.clear();
          await this.reload();
        } else for (const [child, doubt] of [...this.#doubts]) await this.#checkOne(child, doubt, signal);
      }
    } catch {
      this.#doubts.clear(); // offline: what is open is loaded again later
    } finally {
      this.#checking = false;
    }
  }

  // A put under the folder withdraws the doubt, and another delete renews it.
  async #checkOne(child, doubt, signal) {
    const any = await child.level.any(this.api, signal);
    const now = this.#doubts.get(child);
    if (now === doubt || !any) this.#doubts.delete(child);
    if (!now || any) return;
    child.level.clear();
    this.changed(child.key, null);
  }
}
