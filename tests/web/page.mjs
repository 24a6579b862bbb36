// Opens the page to play with a model in headless Chromium, and compares what its canvas shows with what this machine draws,
// byte for byte. Screenshots are kept in target/web/.
//
//   node tests/web/page.mjs              the served page, the self-contained one, and files that are no models
//   node tests/web/page.mjs RUN          the page in the folder of a run
//
// CHROMIUM=PATH names another browser.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { Browser } from "./chromium.mjs";

const ROOT = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const OUT = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "web");
const SEEDS = [0, 1, 2, 42, 43, 1000, 123456789, 4294967295];
/** The number of the bare pixels in the list of displays; the first display is 240x240. */
const BARE = 5;
const MODELS = ["pocket-frogs", "digits"];
/** Milliseconds for everything. Building is not part of it. */
const LIMIT = 240_000;

/** Nine numbers: what `examples/pixels.rs` draws. */
const seedOnly = (seed, classes) => {
  const index = classes > 0 ? seed % classes : 0;
  return { seed, class: index, mix: index, share: 0, to: 43, toClass: 0, t: 0, strength: 256, scale: 1 };
};

// --- This machine.

function cargo(...words) {
  return execFileSync("cargo", words, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "inherit"] });
}

/** The pixels that this machine draws, as hexadecimal RGBA. */
function onHost(model, pictures) {
  const words = pictures.map((p) => [p.seed, p.class, p.mix, p.share, p.to, p.toClass, p.t, p.strength, p.scale].join(","));
  return cargo("run", "-q", "-p", "web-player", "--example", "pixels", "--", model, ...words).trim().split("\n");
}

/** Serves the page; gives the address and a function that stops the server. */
async function serve() {
  const server = spawn("cargo", ["run", "-q", "-p", "web-page", "--bin", "web", "--", "--port", "0"],
    { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((resolve, reject) => {
    let text = "";
    server.stdout.on("data", (part) => {
      text += part;
      const found = /http:\/\/\S+/.exec(text);
      if (found) resolve(found[0]);
    });
    server.on("exit", (code) => reject(new Error(`cargo web ended (${code})`)));
  });
  return { address, stop: () => server.kill() };
}

function chromium() {
  const names = process.env.CHROMIUM ? [process.env.CHROMIUM] : ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  for (const name of names) {
    const places = name.includes("/") ? [name] : (process.env.PATH ?? "").split(":").map((folder) => join(folder, name));
    const place = places.find((path) => existsSync(path));
    if (place) return place;
  }
  throw new Error("there is no Chromium: sudo apt-get install chromium, or CHROMIUM=PATH");
}

// --- The page. These functions use its controls, as a person does.

const isReady = (page, name) =>
  page.wait(`model ${name}`, (name) => document.getElementById("title")?.textContent === name
    && document.getElementById("speed").textContent !== "", name);

/** Sets the controls, and returns what the canvas shows as hexadecimal RGBA. */
const pictureOf = (page, picture, display) =>
  page.call((p, display) => {
    const set = (id, value, event) => {
      const control = document.getElementById(id);
      if (control.value === String(value)) return;
      control.value = value;
      control.dispatchEvent(new Event(event, { bubbles: true }));
    };
    set("display", display, "change");
    set("seed", p.seed, "change");
    if (!document.getElementById("classes").hidden) {
      set("class", p.class, "change");
      set("mix", p.mix, "change");
      set("share", p.share, "input");
      set("to-class", p.toClass, "change");
    }
    set("to", p.to, "change");
    set("strength", p.strength, "input");
    set("t", p.t, "input");
    const canvas = document.getElementById("picture");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }, picture, display);

/** Drops a file on the page. */
const drop = (page, name, bytes) =>
  page.call((name, base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name));
    for (const event of ["dragenter", "dragover", "drop"]) {
      document.body.dispatchEvent(new DragEvent(event, { dataTransfer, bubbles: true, cancelable: true }));
    }
  }, name, bytes.toString("base64"));

/** Chooses a file with the page's button. */
async function choose(page, path) {
  const { root } = await page.send("DOM.getDocument");
  const { nodeId } = await page.send("DOM.querySelector", { nodeId: root.nodeId, selector: "#file" });
  await page.send("DOM.setFileInputFiles", { nodeId, files: [path] });
}

const message = (page, part) =>
  page.wait(`the message ${part}`, (part) => {
    const element = document.getElementById("message");
    return !element.hidden && element.textContent.includes(part);
  }, part);

function save(name, png) {
  writeFileSync(join(OUT, name), png);
  console.log(join(OUT, name));
}

// --- The tests.

/** The pictures of eight seeds; for a model with classes also a mixture, and for every model a morph and an enlargement. */
async function comparePictures(page, file) {
  const classes = await page.call(() => document.getElementById("class").options.length);
  const pictures = SEEDS.map((seed) => seedOnly(seed, classes));
  if (classes > 0) pictures.push({ ...seedOnly(42, classes), class: 1, mix: classes - 1, share: 100 });
  pictures.push({ ...seedOnly(42, classes), to: 7, toClass: Math.max(classes - 1, 0), t: 90, strength: 200 });
  const side = await page.call(() => { // in pixels, of the bare picture
    const canvas = document.getElementById("picture");
    document.getElementById("display").value = 5;
    document.getElementById("display").dispatchEvent(new Event("change"));
    return Math.max(canvas.width, canvas.height);
  });
  const enlarged = { ...seedOnly(2, classes), scale: Math.floor(240 / side) };
  const expected = onHost(file, [...pictures, enlarged]);
  assert.equal(new Set(expected).size, expected.length, "all pictures differ");
  for (const [i, picture] of pictures.entries()) {
    assertSame(await pictureOf(page, picture, BARE), expected[i], JSON.stringify(picture));
  }
  assertSame(await pictureOf(page, enlarged, 0), expected.at(-1), "the enlarged picture");
  console.log(`${file}: ${expected.length} pictures are those of this machine`);
}

function assertSame(actual, expected, what) {
  assert.equal(actual.length, expected.length, `${what}: another size`);
  const differing = [...Array(actual.length / 2).keys()].filter((i) => actual.substr(2 * i, 2) !== expected.substr(2 * i, 2));
  assert.ok(differing.length === 0, `${what}: ${differing.length} bytes differ, the first is number ${differing[0]}`);
}

/** Files that are no models are answered with the parser's words, and the model before them goes on. */
async function compareMessages(page) {
  const model = readFileSync(join(ROOT, "models/digits/model.gen"));
  const damaged = Buffer.from(model);
  damaged[20_000] ^= 1;
  const picture = await pictureOf(page, seedOnly(1, 10), BARE);
  const cases = [
    ["notes.txt", Buffer.from("no model at all"), "notes.txt: not a model file"],
    ["empty.gen", Buffer.alloc(0), "empty.gen: not a model file"],
    ["damaged.gen", damaged, "damaged.gen: the model is damaged: its checksum does not match"],
    ["cut.gen", model.subarray(0, 1000), "cut.gen: the model should be 31712 bytes long, found 1000"],
  ];
  for (const [name, bytes, words] of cases) {
    await drop(page, name, bytes);
    await message(page, words);
    if (name === "damaged.gen") save("damaged.png", await page.screenshot());
    assertSame(await pictureOf(page, seedOnly(1, 10), BARE), picture, "the picture after an error");
    // The same with the button; a message is replaced, not kept.
    const path = join(OUT, `chosen-${name}`);
    writeFileSync(path, bytes);
    await choose(page, path);
    await message(page, `chosen-${words}`);
  }
  await drop(page, "whole.gen", model);
  await isReady(page, "whole.gen");
  assert.ok(await page.call(() => document.getElementById("message").hidden), "a good model removes the message");
}

/** A morph moves and says its rate; the gallery has pictures, and a click chooses one; a slider changes the picture. */
async function useControls(page) {
  const shown = () => page.call(() => document.getElementById("picture").toDataURL());
  const click = (selector) => page.call((selector) => document.querySelector(selector).click(), selector);
  const value = (id) => page.call((id) => document.getElementById(id).value, id);

  const before = await shown();
  await click("#play");
  const rate = await page.wait("a rate", () => /^[\d.]+ frames a second$/.test(document.getElementById("rate").textContent)
    && document.getElementById("rate").textContent);
  assert.notEqual(await shown(), before, "the morph moves");
  await click("#play");
  console.log(`morph: ${rate}; ${await page.call(() => document.getElementById("speed").textContent)}`);

  await page.wait("the gallery", () => {
    const canvases = [...document.querySelectorAll("#gallery canvas")];
    return canvases.length === 24 && new Set(canvases.map((canvas) => canvas.toDataURL())).size === 24;
  });
  await click("#gallery button:nth-child(6)");
  assert.equal(await value("seed"), "5");
  await click("#another");
  assert.notEqual(await value("seed"), "5");

  await click("summary");
  const unchanged = await shown();
  await page.call(() => {
    const slider = document.querySelector("#sliders input");
    slider.value = slider.value > 0 ? -127 : 127;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  });
  assert.notEqual(await shown(), unchanged, "a slider changes the picture");
  await click("#reset");
  assert.equal(await shown(), unchanged, "the numbers of the picture are back");
  // A seed that is none becomes the nearest one.
  for (const [typed, seed] of [["-5", "0"], ["99999999999", "4294967295"], ["", "0"], ["7.9", "7"]]) {
    await page.call((typed) => {
      const box = document.getElementById("seed");
      box.value = typed;
      box.dispatchEvent(new Event("change"));
    }, typed);
    assert.equal(await value("seed"), seed);
  }
}

/** The page fits its window, and all its controls have names. */
async function checkLayout(page) {
  const { wide, nameless } = await page.call(() => ({
    wide: document.documentElement.scrollWidth > innerWidth,
    nameless: [...document.querySelectorAll("input, select, button")]
      .filter((e) => !e.labels?.length && !e.getAttribute("aria-label") && !e.textContent.trim()).map((e) => e.outerHTML),
  }));
  assert.ok(!wide, "nothing is wider than the window");
  assert.deepEqual(nameless, []);
}

async function served(browser) {
  const { address, stop } = await serve();
  try {
    const page = await browser.page(1200);
    await page.open(address);
    const names = await page.wait("the list of models", () => {
      const names = [...document.getElementById("models").options].map((option) => option.text);
      return names.length > 0 && names;
    });
    for (const name of MODELS) {
      await page.call((index) => {
        const models = document.getElementById("models");
        models.value = index;
        models.dispatchEvent(new Event("change"));
      }, names.indexOf(name));
      await isReady(page, name);
      await comparePictures(page, join(ROOT, "models", name, "model.gen"));
    }
    await useControls(page);
    await checkLayout(page);
    await page.call(() => scrollTo(0, 0));
    save("desktop-light.png", await page.screenshot());
    await compareMessages(page);
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.requests.filter((url) => !url.startsWith(address) && url !== "data:,"), [], "no other host is asked");

    const phone = await browser.page(390, { dark: true, height: 844, density: 2 });
    await phone.open(address);
    await isReady(phone, names[0]);
    await checkLayout(phone);
    save("phone-dark.png", await phone.screenshot());
    assert.deepEqual(phone.errors, []);
  } finally {
    stop();
  }
}

async function selfContained(browser, html, name, model) {
  const page = await browser.page(1200, { dark: true });
  const address = pathToFileURL(html).href;
  await page.open(address);
  await isReady(page, name);
  await comparePictures(page, model);
  save(`${name}.png`, await page.screenshot());
  assert.deepEqual(page.errors, []);
  assert.deepEqual(page.requests.filter((url) => url !== address && url !== "data:,"), [], "nothing is loaded");
}

mkdirSync(OUT, { recursive: true });
// A comparison that cannot fail would prove nothing.
assert.throws(() => assertSame("00ff", "00fe", "a broken pixel"), /1 bytes differ, the first is number 1/);
// Everything is built before the clock starts.
cargo("build", "-q", "-p", "web-page", "--bin", "web");
cargo("build", "-q", "-p", "web-player", "--example", "pixels");
const run = process.argv[2];
const browser = new Browser(chromium());
const clock = setTimeout(() => {
  console.error(`not done after ${LIMIT / 1000} seconds`);
  browser.close().finally(() => process.exit(1));
}, LIMIT);
try {
  if (run) {
    await selfContained(browser, resolve(run, "play.html"), basename(resolve(run)), resolve(run, "model.gen"));
  } else {
    await served(browser);
    const html = join(OUT, "play.html");
    cargo("run", "-q", "-p", "web-page", "--bin", "web", "--", "--model", "models/digits", "--out", html);
    await selfContained(browser, html, "digits", join(ROOT, "models/digits/model.gen"));
  }
} finally {
  clearTimeout(clock);
  await browser.close();
}
console.log("the page shows what this machine draws");
