// Drives a headless Chromium over its debugging protocol, through pipes: no package is needed for that.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Browser {
  #child;
  #folder;
  #next = 0;
  #waiting = new Map();
  #listeners = new Set();

  constructor(program) {
    this.#folder = mkdtempSync(join(tmpdir(), "ribbit-chromium-"));
    const options = ["--headless=new", "--remote-debugging-pipe", `--user-data-dir=${this.#folder}`, "--no-first-run",
      "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"];
    // The sandbox of Chromium refuses to run as root, as which tests run in containers.
    if (process.getuid?.() === 0) options.push("--no-sandbox");
    this.#child = spawn(program, [...options, "about:blank"], { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] });
    this.log = "";
    this.#child.stderr.on("data", (text) => (this.log += text));
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("exit", (code) => this.#fail(new Error(`chromium ended (${code}):\n${this.log}`)));
    this.#child.stdio[3].on("error", (error) => this.#fail(error));
    // Messages are JSON, each followed by a zero byte.
    let rest = Buffer.alloc(0);
    this.#child.stdio[4].on("data", (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) {
        this.#receive(JSON.parse(rest.subarray(0, end).toString()));
      }
    });
  }

  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #receive(message) {
    const call = this.#waiting.get(message.id);
    if (!call) return this.#listeners.forEach((listener) => listener(message));
    this.#waiting.delete(message.id);
    if (message.error) call.reject(new Error(`${call.method}: ${message.error.message}`));
    else call.resolve(message.result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#next;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, method });
      this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Opens a page of this width in CSS pixels. */
  async page(width, { dark = false, height = 900, density = 1 } = {}) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    this.#listeners.add((message) => message.sessionId === sessionId && page.event(message));
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`);
    page.metrics = { width, height, deviceScaleFactor: density, mobile: width < 500 };
    await page.send("Emulation.setDeviceMetricsOverride", page.metrics);
    await page.send("Emulation.setEmulatedMedia",
      { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    return page;
  }

  async close() {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  /** Addresses that the page asked for. */
  requests = [];
  /** Exceptions and errors in the console. */
  errors = [];

  constructor(browser, session, target) {
    Object.assign(this, { browser, session, target });
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  event({ method, params }) {
    if (method === "Page.loadEventFired") this.loaded?.();
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Runtime.exceptionThrown") this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Log.entryAdded" && params.entry.level === "error") this.errors.push(params.entry.text);
  }

  /** Opens an address and waits until the page and its program are loaded. */
  async open(address) {
    const loaded = new Promise((resolve) => (this.loaded = resolve));
    const { errorText } = await this.send("Page.navigate", { url: address });
    if (errorText) throw new Error(`${address}: ${errorText}`);
    await loaded;
  }

  /** Calls a function in the page with arguments that are JSON. Its result is JSON too; a promise is awaited. */
  async call(f, ...values) {
    const expression = `(${f})(...${JSON.stringify(values)})`;
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until a function in the page returns something that is not falsy, and returns that. */
  async wait(what, f, ...values) {
    const end = Date.now() + 60_000;
    for (;;) {
      const value = await this.call(f, ...values);
      if (value) return value;
      if (Date.now() > end) throw new Error(`waited for ${what} for a minute`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The whole page as PNG. */
  async screenshot() {
    // In a window of the page's height, because what is outside of the window may not be painted yet.
    const { cssContentSize } = await this.send("Page.getLayoutMetrics");
    const height = Math.max(this.metrics.height, Math.ceil(cssContentSize.height));
    await this.send("Emulation.setDeviceMetricsOverride", { ...this.metrics, height });
    await this.call(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    await this.send("Emulation.setDeviceMetricsOverride", this.metrics);
    return Buffer.from(data, "base64");
  }
}
