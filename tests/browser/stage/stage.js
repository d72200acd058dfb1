// The front-end of a bare page: anywidget's model as far as widgets use it, over the one function that the test gives.

class Model {
  #name;
  #state;
  #dirty = {};
  #listeners = new Map();

  constructor(name, state) {
    this.#name = name;
    this.#state = state;
  }
  get(key) {
    return this.#state[key];
  }
  set(key, value) {
    if (Object.is(this.#state[key], value)) return;
    this.#state[key] = value;
    this.#dirty[key] = value;
    this.#emit(`change:${key}`);
  }
  save_changes() {
    const changed = this.#dirty;
    this.#dirty = {};
    if (Object.keys(changed).length > 0) this.#tell("update", changed);
  }
  on(event, callback) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }
  off(event, callback) {
    this.#listeners.get(event)?.delete(callback);
  }
  send(content) {
    this.#tell("custom", content);
  }
  async #tell(method, content) {
    stage.asked += 1;
    for (const message of await kernel(this.#name, method, content)) this.hear(message);
    stage.asked -= 1;
  }
  hear({ method, state, content, buffers }) {
    if (method === "custom")
      this.#emit(
        "msg:custom",
        content,
        buffers.map((one) => new DataView(Uint8Array.from(atob(one), (c) => c.charCodeAt(0)).buffer)),
      );
    else
      for (const [key, value] of Object.entries(state)) {
        this.#state[key] = value;
        this.#emit(`change:${key}`);
      }
  }
  #emit(event, ...values) {
    for (const callback of [...(this.#listeners.get(event) ?? [])]) callback(...values);
  }
}

const models = new Map();

window.stage = {
  /** Questions that have no answer yet. */
  asked: 0,
  /** Draw a widget in the section of its name, after a button to come from with the Tab key. */
  async show(name, state, code, css, box) {
    const section = document.createElement("section");
    section.dataset.stage = name;
    section.setAttribute("aria-label", name);
    const before = document.createElement("button");
    before.textContent = `before ${name}`;
    const style = document.createElement("style");
    style.textContent = css;
    document.head.append(style);
    const el = document.createElement("div");
    const within = box ? document.querySelector(box) : section;
    if (!box) {
      section.append(before);
      document.getElementById("stage").append(section);
    }
    within.append(el);
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const { default: widget } = await import(url);
    const model = new Model(name, state);
    models.set(name, model);
    await widget.render({ model, el, signal: new AbortController().signal });
  },
  /** The notebook's box of a workbench. */
  box() {
    const section = document.createElement("section");
    section.dataset.stage = "explore";
    section.setAttribute("aria-label", "explore");
    section.innerHTML = '<button>before explore</button><div class="jupyter-widgets saew-explore"></div>';
    document.getElementById("stage").append(section);
  },
  hear(name, messages) {
    for (const message of messages) models.get(name).hear(message);
  },
};
