// The page: controls, canvas, gallery. `player.wasm` (web/player) draws the pictures.
"use strict";
(async () => {
  const $ = (id) => document.getElementById(id);
  const LAST_SEED = 0xffffffff;
  // The displays of the boards, as [name, width, height] in pixels. A chip enlarges by the largest whole factor that fits.
  const DISPLAYS = [
    ["240×240 (Pico 2)", 240, 240],
    ["240×135 (Pico Display)", 240, 135],
    ["320×240 (nRF52840 DK)", 320, 240],
    ["240×320 (STM32F429)", 240, 320],
    ["128×160 (micro:bit)", 128, 160],
    ["no display: bare pixels", 0, 0],
  ];
  const GALLERY = 24;
  /** Milliseconds of a morph, if the browser draws fast enough. */
  const MORPH = 2500;

  // --- The player: one instance of the module for each model.

  class Player {
    static module;

    /** Opens the bytes of a model file, or throws an error whose message says why they are none. */
    static async open(bytes) {
      const { exports } = await WebAssembly.instantiate(Player.module, {});
      const address = exports.input(bytes.length);
      if (address === 0) throw new Error(`the browser has no memory for ${bytes.length} bytes`);
      new Uint8Array(exports.memory.buffer, address, bytes.length).set(bytes);
      const isModel = exports.open();
      const text = new TextDecoder().decode(new Uint8Array(exports.memory.buffer, exports.text(), exports.text_len()));
      if (!isModel) throw new Error(text);
      return new Player(exports, JSON.parse(text));
    }

    constructor(exports, facts) {
      this.exports = exports;
      this.facts = facts;
    }

    /** The numbers of a latent. The memory of a module moves when it grows, so the result is used at once. */
    #steps() {
      return new Int8Array(this.exports.memory.buffer, this.exports.steps(), this.facts.latent);
    }

    latent(slot) {
      this.exports.get_steps(slot);
      return this.#steps().slice();
    }

    setLatent(slot, steps) {
      this.#steps().set(steps);
      this.exports.put_steps(slot);
    }

    /** Draws the picture at `t` (0 to 256) of the way from slot 0 to slot 1. */
    draw(t, strength, scale) {
      const bytes = this.exports.draw(t, strength, scale);
      const pixels = new Uint8ClampedArray(this.exports.memory.buffer, this.exports.pixels(), bytes);
      return new ImageData(pixels, this.exports.width());
    }
  }

  function show(canvas, image) {
    if (canvas.width !== image.width || canvas.height !== image.height) {
      canvas.width = image.width;
      canvas.height = image.height;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // --- State.

  let player = null;
  let edited = false;
  let playing = null;
  let galleryFirst = 0;
  let galleryRound = 0;

  const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];
  /** The seed in a box. What is no number becomes 0, and a number out of range the nearest one. */
  const seedIn = (box) => Math.min(Math.max(Math.trunc(Number(box.value)) || 0, 0), LAST_SEED);
  const hasClasses = () => player.facts.classes.length > 0;
  const className = (index) => player.facts.classes[index];
  const number = (value) => value.toLocaleString("en");

  function message(text) {
    $("message").textContent = text;
    $("message").hidden = text === "";
  }

  // --- The picture.

  function scale() {
    const { width, height, largestScale } = player.facts;
    const [, w, h] = DISPLAYS[$("display").value];
    return Math.max(1, Math.min(Math.floor(w / width), Math.floor(h / height), largestScale));
  }

  function draw() {
    const { exports } = player;
    const t = Number($("t").value);
    const [from, mix, share] = ["class", "mix", "share"].map((id) => Number($(id).value));
    if (hasClasses()) {
      exports.class(0, from, mix, share);
      exports.class(1, Number($("to-class").value), 0, 0);
    }
    exports.seed(1, seedIn($("to")));
    const image = player.draw(t, Number($("strength").value), scale());
    show($("picture"), image);
    $("picture").classList.toggle("pixels", $("display").value == DISPLAYS.length - 1);
    caption(t);
  }

  function caption(t) {
    const classes = () => {
      const share = Number($("share").value);
      const [from, mix] = [className($("class").value), className($("mix").value)];
      if (share === 0 || from === mix) return from;
      return share === 256 ? mix : `${from} and ${mix}`;
    };
    let text = `${seedIn($("seed"))}${edited ? ", changed" : ""}${hasClasses() ? ` (${classes()})` : ""}`;
    if (t > 0) text += ` to ${seedIn($("to"))}${hasClasses() ? ` (${className($("to-class").value)})` : ""}`;
    text = `Picture ${text}`;
    // While a morph plays, the caption changes only with its ends, so that it is not read out all the time.
    if ($("caption").textContent !== text) $("caption").textContent = text;
    for (const id of ["t", "share"]) {
      document.querySelector(`output[for=${id}]`).textContent = `${Math.round($(id).value / 2.56)} %`;
    }
    document.querySelector("output[for=strength]").textContent = `${Math.round($("strength").value / 2.56)} %`;
  }

  /** Takes the latent of a picture number. */
  function setSeed(seed) {
    $("seed").value = seed;
    edited = false;
    player.exports.seed(0, seed);
    showSliders();
    draw();
  }

  // --- Morph.

  function endMorph() {
    setClass(Number($("to-class").value));
    $("t").value = 0;
    const seed = seedIn($("to"));
    $("to").value = randomSeed();
    if (hasClasses()) $("to-class").value = Math.floor(Math.random() * player.facts.classes.length);
    setSeed(seed);
  }

  function setClass(index) {
    if (!hasClasses()) return;
    $("class").value = index;
    $("mix").value = index;
    $("share").value = 0;
  }

  function play(isOn) {
    $("play").textContent = isOn ? "Stop" : "Play";
    $("rate").hidden = !isOn;
    if (playing !== null) cancelAnimationFrame(playing);
    playing = null;
    if (!isOn) return;
    const frames = [];
    let last = null;
    let way = Number($("t").value);
    const frame = (now) => {
      // A long pause, such as a hidden tab, does not skip a morph.
      way += last === null ? 0 : (Math.min(now - last, 250) * 256) / MORPH;
      last = now;
      if (way >= 256) {
        way = 0;
        endMorph();
      } else {
        $("t").value = Math.round(way);
        draw();
      }
      frames.push(now);
      if (frames.length > 60) frames.shift();
      if (frames.length > 5) {
        const rate = ((frames.length - 1) * 1000) / (now - frames[0]);
        $("rate").textContent = `${rate.toFixed(rate < 10 ? 1 : 0)} frames a second`;
      }
      playing = requestAnimationFrame(frame);
    };
    $("rate").textContent = "";
    playing = requestAnimationFrame(frame);
  }

  // --- Latent.

  function makeSliders() {
    const sliders = Array.from({ length: player.facts.latent }, (_, i) => {
      const label = document.createElement("label");
      const slider = document.createElement("input");
      Object.assign(slider, { type: "range", min: -127, max: 127, step: 1 });
      slider.setAttribute("aria-label", `latent value ${i + 1}`);
      slider.addEventListener("input", () => {
        const steps = player.latent(0);
        steps[i] = Number(slider.value);
        player.setLatent(0, steps);
        edited = true;
        slider.nextSibling.textContent = real(steps[i]);
        draw();
      });
      label.append(String(i + 1), slider, document.createElement("output"));
      return label;
    });
    $("sliders").replaceChildren(...sliders);
    showSliders();
  }

  /** The real value of a step: they are 1/32 apart. */
  const real = (step) => (step / 32).toFixed(2);

  function showSliders() {
    if (!$("latent").open) return;
    player.latent(0).forEach((step, i) => {
      const slider = $("sliders").children[i]?.querySelector("input");
      if (!slider) return;
      slider.value = step;
      slider.nextSibling.textContent = real(step);
    });
  }

  // --- Gallery.

  /** Draws the pictures of the gallery one after the other, so that the page stays responsive. */
  async function gallery() {
    const round = ++galleryRound;
    const count = player.facts.classes.length;
    const factor = Math.max(1, Math.floor(96 / player.facts.width));
    const tiles = [];
    for (let i = 0; i < GALLERY && galleryFirst + i <= LAST_SEED; i++) {
      const seed = galleryFirst + i;
      const button = document.createElement("button");
      const canvas = document.createElement("canvas");
      // An empty canvas of the right size, so that nothing moves when the picture comes.
      canvas.width = player.facts.width * factor;
      canvas.height = player.facts.height * factor;
      button.type = "button";
      const index = count > 0 ? ($("all").checked ? seed % count : Number($("class").value)) : null;
      const name = index === null ? "" : className(index);
      button.setAttribute("aria-label", `picture ${seed}${name && `, ${name}`}`);
      const title = document.createElement("b");
      title.textContent = name;
      button.append(canvas, ...(name === "" ? [] : [title]), String(seed));
      button.addEventListener("click", () => {
        play(false);
        $("t").value = 0;
        if (index !== null) setClass(index);
        setSeed(seed);
        $("picture").scrollIntoView({ block: "center" });
      });
      tiles.push({ button, canvas, seed, index });
    }
    $("gallery").replaceChildren(...tiles.map(({ button }) => button));
    $("previous").disabled = galleryFirst === 0;
    $("next").disabled = galleryFirst + GALLERY > LAST_SEED;
    for (const { canvas, seed, index } of tiles) {
      await new Promise((next) => setTimeout(next));
      if (round !== galleryRound) return; // another model, or another page of the gallery
      player.exports.seed(1, seed);
      if (index !== null) player.exports.class(1, index, 0, 0);
      show(canvas, player.draw(256, 256, factor));
    }
    await new Promise((next) => setTimeout(next));
    if (round === galleryRound) measure();
  }

  /** Says how long a picture takes, without its enlargement. Always the same pictures, so that it can be compared. */
  function measure() {
    const start = performance.now();
    let [count, ms] = [0, 0];
    do {
      player.exports.seed(1, count++);
      player.exports.draw(256, 256, 1);
      ms = performance.now() - start;
    } while (ms < 100);
    const each = ms / count;
    const rate = 1000 / each;
    $("speed").textContent =
      `A picture takes ${each.toFixed(each < 10 ? 2 : 0)} ms in this browser: ${number(Number(rate.toFixed(rate < 10 ? 1 : 0)))} a second.`;
  }

  // --- Memory.

  function table(id, rows) {
    const make = ([label, value]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = label;
      const cell = document.createElement("td");
      cell.textContent = value;
      row.append(head, cell);
      return row;
    };
    $(id).tBodies[0].replaceChildren(...rows.map(make));
  }

  function showFacts() {
    const { name, width, height, channels, latent, classes, macs, crc, file, workspaces, layers } = player.facts;
    const bytes = (count) => `${number(count)} bytes`;
    table("bill", [
      ["Flash: the model file", bytes(file)],
      ...workspaces.map(({ processor, bytes: count }) => [`RAM, ${processor}`, bytes(count)]),
    ]);
    $("bill").caption.textContent = "What the model takes on a chip; RAM without the stack";
    table("facts", [
      ["Name", name],
      ["Picture", `${width}×${height} pixels, ${channels === 1 ? "grey" : "colour"}`],
      ["Latent", `${latent} numbers`],
      ["Classes", classes.length === 0 ? "none" : classes.join(", ")],
      ["Multiply-accumulates for a picture", number(macs)],
      ["CRC-32 of the file", crc],
    ]);
    const items = layers.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    });
    $("layers").replaceChildren(...items);
  }

  // --- Models.

  function options(select, names) {
    select.replaceChildren(...names.map((name, i) => new Option(name, i)));
  }

  /** Plays another model. If the bytes are none, says why and keeps the one before. */
  async function open(name, bytes) {
    let opened;
    try {
      opened = await Player.open(bytes);
    } catch (error) {
      message(`${name}: ${error instanceof WebAssembly.RuntimeError ? "the browser has too little memory for it" : error.message}`);
      return;
    }
    message("");
    play(false);
    player = opened;
    document.title = `${name} · Ribbit`;
    $("title").textContent = name;
    const { classes, width, height } = player.facts;
    for (const id of ["class", "mix", "to-class"]) options($(id), classes);
    for (const id of ["classes", "to-classes", "all-classes"]) $(id).hidden = classes.length === 0;
    for (const option of $("display").options) {
      const [, w, h] = DISPLAYS[option.value];
      option.disabled = w > 0 && (w < width || h < height);
    }
    if ($("display").selectedOptions[0]?.disabled) $("display").value = DISPLAYS.length - 1;
    for (const id of ["share", "t"]) $(id).value = 0;
    $("strength").value = 256;
    makeSliders();
    showFacts();
    $("speed").textContent = "";
    $("main").hidden = $("more").hidden = false;
    setSeed(seedIn($("seed")));
    galleryFirst = 0;
    await gallery();
  }

  async function openFile(file) {
    if (!file) return;
    try {
      await open(file.name, new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      message(`${file.name} cannot be read: ${error.message}`);
    }
  }

  async function download(address) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** The bytes that the page itself holds in an element, if it does. */
  function embedded(id) {
    const element = $(id);
    return element && Uint8Array.from(atob(element.textContent.trim()), (c) => c.charCodeAt(0));
  }

  // --- Events.

  const on = (id, event, f) => $(id).addEventListener(event, f);

  options($("display"), DISPLAYS.map(([name]) => name));
  $("seed").value = 42;
  $("to").value = 43;
  on("seed", "change", () => setSeed(seedIn($("seed"))));
  on("another", "click", () => {
    play(false);
    $("t").value = 0;
    setSeed(randomSeed());
  });
  for (const id of ["class", "mix", "to-class", "display"]) on(id, "change", draw);
  for (const id of ["share", "strength"]) on(id, "input", draw);
  on("class", "change", () => !$("all").checked && gallery());
  on("to", "change", () => {
    $("to").value = seedIn($("to"));
    draw();
  });
  on("t", "input", () => {
    play(false);
    draw();
  });
  on("play", "click", () => play(playing === null));
  on("latent", "toggle", showSliders);
  on("reset", "click", () => setSeed(seedIn($("seed"))));
  on("previous", "click", () => {
    galleryFirst = Math.max(galleryFirst - GALLERY, 0);
    gallery();
  });
  on("next", "click", () => {
    galleryFirst += GALLERY;
    gallery();
  });
  on("all", "change", gallery);
  on("browse", "click", () => $("file").click());
  on("file", "change", async () => {
    await openFile($("file").files[0]);
    $("file").value = "";
  });
  for (const event of ["dragenter", "dragover"]) {
    document.addEventListener(event, (drag) => {
      drag.preventDefault();
      document.body.classList.add("dropping");
    });
  }
  document.addEventListener("dragleave", (drag) => {
    if (drag.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (drop) => {
    drop.preventDefault();
    document.body.classList.remove("dropping");
    openFile(drop.dataTransfer.files[0]);
  });

  // --- Start: with what the page holds, or with what the server has.

  try {
    Player.module = await WebAssembly.compile(embedded("embedded-player") ?? (await download("player.wasm")));
    const model = embedded("embedded-model");
    if (model) {
      await open($("embedded-model").dataset.name, model);
      return;
    }
    const names = new TextDecoder().decode(await download("models.txt")).trimEnd().split("\n");
    options($("models"), names);
    const chosen = async () => {
      const index = Number($("models").value);
      try {
        await open(names[index], await download(`models/${index}`));
      } catch (error) {
        message(error.message);
      }
    };
    on("models", "change", chosen);
    $("chooser").hidden = names.length < 2;
    await chosen();
  } catch (error) {
    message(`This page cannot draw: ${error.message}`);
  }
})();
