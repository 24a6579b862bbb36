// An RP2040 in the emulator rp2040js, as a process that knows neither display nor log format. `src/pico.rs` starts it,
// tells it what to do, and reads what leaves the chip.
//
//   node chip.mjs FLASH '{"rtt": ADDRESS, "spi": 1, "select": 9, "data": 8, "reset": 12}'
//
// FLASH is the contents of the flash from its first address on, `rtt` the address of the control block of RTT, the other
// numbers the SPI unit of the display and its pins; `reset` may be missing. With `"faults": true`, what would be a fault on the
// chip starts the program's fault handler instead of being reported.
//
// Standard input has one command in each line:
//
//   run NANOSECONDS    runs for this much of the chip's time, then writes a record of kind 6
//   pin NUMBER LEVEL   sets the level of an input, 0 or 1
//   type TEXT          puts a line into the channel for typed words, as soon as the program has set it up
//
// Standard output is a sequence of records: one byte for the kind, two for the length (little endian), and the payload.
//
//   0  command bytes that have left the SPI unit: the data pin was low when the byte ended
//   1  data bytes: it was high
//   2  a pulse on the reset pin, without payload
//   4  bytes of the log
//   5  something that the emulator noticed, as text: an access to nothing, a breakpoint, a word that nobody can read
//   6  the end of `run`: nanoseconds, cycles and instructions since the start (three times 8 bytes), output pins (4 bytes)
//
// Time is that of the chip, so a run is the same on every machine. The emulator models the cycles of the instructions and
// of the buses, but not the cache of the flash: all reads from the flash take as long as reads from RAM. It raises no
// faults; they are added here.

import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { RP2040, GPIOPinState } from 'rp2040js';

const require = createRequire(import.meta.url);
const wanted = require('./package.json').dependencies.rp2040js;
// The package does not export its description, which is above the folder of its code.
const folder = require.resolve('rp2040js').replace(/dist.*/, '');
const found = JSON.parse(readFileSync(`${folder}package.json`, 'utf8')).version;
if (found !== wanted) throw new Error(`rp2040js ${found} is installed and not ${wanted}: npm ci`);

const [file, wiring] = process.argv.slice(2);
const { rtt, spi: unit, select, data, reset, faults } = JSON.parse(wiring);
const FLASH = 0x10000000;
const RAM = 0x20000000;

// Records, collected until the end of `run`.
let records = [];
let open; // the last record, if more bytes of its kind can be appended

function record(kind, bytes) {
  for (let at = 0; at === 0 || at < bytes.length; at += 0xffff) {
    const part = bytes.subarray(at, at + 0xffff);
    records.push(Buffer.from([kind, part.length & 0xff, part.length >> 8]), part);
  }
}

function close() {
  if (open) record(open.kind, Buffer.from(open.bytes));
  open = undefined;
}

function sent(kind, byte) {
  if (open?.kind !== kind) {
    close();
    open = { kind, bytes: [] };
  }
  open.bytes.push(byte);
}

function noticed(text) {
  close();
  record(5, Buffer.from(text));
}

function flush() {
  close();
  const all = Buffer.concat(records);
  records = [];
  for (let at = 0; at < all.length; ) at += writeSync(1, all, at);
}

// The chip.
const mcu = new RP2040();
const { clock, core } = mcu;
const where = () => `at ${(core.PC >>> 0).toString(16)}`;
let isFaulty = false; // whether the present instruction causes a fault

function fault(text) {
  if (faults) isFaulty = true;
  else noticed(`${text}, ${where()}`);
}

// The bus has this name: it warns of accesses to addresses where nothing is.
const note = (who, what) => (who === 'RP2040' ? fault(what) : noticed(`${who}: ${what}, ${where()}`));
mcu.logger = { debug() {}, info() {}, warn: note, error: note };
mcu.onBreak = (code) => fault(`breakpoint or undefined instruction ${code}`);

// Two units that the emulator does not have. It reads them as all ones.
const unit_of = (address, read) => {
  const values = new Map();
  const peripheral = mcu.peripherals[address];
  peripheral.readUint32 = (offset) => read(offset) ?? values.get(offset) ?? 0;
  peripheral.writeUint32 = (offset, value) => values.set(offset, value);
};
// The ring oscillator: it is enabled and stable, and its random bit comes from a linear congruential generator.
let noise = 12345;
unit_of(0x40060, (offset) => {
  if (offset === 0x18) return 0x80001000; // STATUS
  if (offset !== 0x1c) return undefined; // RANDOMBIT
  noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
  return noise >>> 31;
});
// The voltage regulator: the values after a reset, and in regulation.
unit_of(0x40064, (offset) => ({ 0: 0x10b1, 4: 0x91 })[offset]);

// The memory protection unit, of which only one region without permissions is understood.
const MPU = { type: 0xd90, control: 0xd94, number: 0xd98, base: 0xd9c, attributes: 0xda0 };
const protection = new Map([[MPU.type, 0x800]]); // eight regions
let [forbidden, allowed] = [0, 0]; // its first address, and the first one behind it
const { readUint32: readPpb, writeUint32: writePpb } = mcu.ppb;
mcu.ppb.readUint32 = function (offset) {
  return offset >= MPU.type && offset <= MPU.attributes ? (protection.get(offset) ?? 0) : readPpb.call(this, offset);
};
mcu.ppb.writeUint32 = function (offset, value) {
  if (offset < MPU.control || offset > MPU.attributes) return writePpb.call(this, offset, value);
  protection.set(offset, value >>> 0);
  const [control, base, attributes] = [MPU.control, MPU.base, MPU.attributes].map((at) => protection.get(at) ?? 0);
  if ((base & 0x1f) > 0x10 || (attributes & 0x0700ff00) !== 0) noticed(`a region of the MPU that is not modelled, ${where()}`);
  forbidden = allowed = 0;
  if (control & attributes & 1) {
    forbidden = (base & ~0x1f) >>> 0;
    allowed = forbidden + 2 ** (((attributes >> 1) & 0x1f) + 1);
  }
};

// What the emulator accepts without a word, although the chip raises a fault.
const sizes = { readUint8: 1, readUint16: 2, readUint32: 4, writeUint8: 1, writeUint16: 2, writeUint32: 4 };
for (const [name, size] of Object.entries(sizes)) {
  const access = core[name];
  core[name] = function (address, value) {
    if (address >>> 0 >= forbidden && address >>> 0 < allowed) {
      fault(`the memory protection unit forbids ${(address >>> 0).toString(16)}`);
    }
    if (address & (size - 1)) fault(`${name} of an odd address ${(address >>> 0).toString(16)}`);
    if (value !== undefined && address >>> 26 === FLASH >>> 26) {
      fault(`${name} to the flash, ${(address >>> 0).toString(16)}`);
    }
    return access.call(this, address, value);
  };
}

const image = readFileSync(file);
mcu.flash.set(image);
// As the boot ROM does: it copies the first 256 bytes of the flash to the end of RAM and starts them there.
const STAGE = 0x20041f00;
mcu.sram.set(image.subarray(0, 256), STAGE - RAM);
core.PC = STAGE;
core.SP = STAGE;
core.LR = 0;

// The display's bus. A byte takes as long as its bits; the pins are read when it ends, as the display does.
const spi = mcu.spi[unit];
let byte = 0;
const ended = clock.createAlarm(() => {
  if (mcu.gpio[select].value !== GPIOPinState.Low) noticed(`a byte on the bus while nothing is selected, ${where()}`);
  else sent(mcu.gpio[data].value === GPIOPinState.High ? 1 : 0, byte);
  spi.completeTransmit(0);
});
spi.onTransmit = (value) => {
  byte = value;
  ended.schedule((spi.dataBits * 1e9) / spi.clockFrequency);
};
mcu.spi[1 - unit].onTransmit = () => noticed(`a byte on the other SPI unit, ${where()}`);
if (reset !== undefined) {
  mcu.gpio[reset].addListener((value) => {
    close();
    if (value === GPIOPinState.Low) record(2, Buffer.alloc(0));
  });
}

// RTT: a control block with 24 bytes for itself and for each channel. The first channel up is the log, the first channel
// down has the typed words.
const memory = mcu.sramView;
const word = (address) => memory.getUint32(address - RAM, true);
const isReady = () => Buffer.from(mcu.sram.buffer, rtt - RAM, 10).equals(Buffer.from('SEGGER RTT'));
const typed = [];

function readLog() {
  const channel = rtt + 24;
  const [buffer, size, write] = [4, 8, 12].map((at) => word(channel + at));
  let read = word(channel + 16);
  if (read === write) return;
  close();
  const bytes = [];
  for (; read !== write; read = (read + 1) % size) bytes.push(mcu.sram[buffer - RAM + read]);
  memory.setUint32(channel + 16 - RAM, read, true);
  record(4, Buffer.from(bytes));
}

function typeWords() {
  const channel = rtt + 24 + 24 * word(rtt + 16);
  const [buffer, size] = [4, 8].map((at) => word(channel + at));
  while (typed.length > 0) {
    const [write, read] = [12, 16].map((at) => word(channel + at));
    const next = (write + 1) % size;
    if (next === read) return; // full
    mcu.sram[buffer - RAM + write] = typed.shift();
    memory.setUint32(channel + 12 - RAM, next, true);
  }
}

// Starts the fault handler after the instruction that caused the fault. If there is no stack left for the registers, they are
// lost and the handler starts all the same.
const HARD_FAULT = 3;
function enterFault() {
  if (core.IPSR === HARD_FAULT) noticed(`a fault within the fault handler, ${where()}`);
  else core.exceptionEntry(HARD_FAULT);
  isFaulty = false;
}

let cycles = 0;
let instructions = 0;

function run(nanos) {
  const end = clock.nanos + nanos;
  while (clock.nanos < end) {
    if (core.waiting) {
      // Until the next event, or to the end if there is none.
      const left = end - clock.nanos;
      const step = clock.nextAlarm ? Math.min(clock.nanosToNextAlarm, left) : left;
      clock.tick(step);
      cycles += (step * mcu.clkSys) / 1e9;
    } else {
      const took = core.executeInstruction();
      instructions++;
      cycles += took;
      clock.tick((took * 1e9) / mcu.clkSys);
      if (isFaulty) enterFault();
    }
  }
  if (isReady()) {
    readLog();
    typeWords();
  }
  const state = Buffer.alloc(28);
  [clock.nanos, cycles, instructions].forEach((value, i) => state.writeBigUInt64LE(BigInt(Math.round(value)), 8 * i));
  const levels = mcu.gpio.reduce((all, pin, i) => (pin.value === GPIOPinState.High ? all | (1 << i) : all), 0);
  state.writeUInt32LE(levels >>> 0, 24);
  close();
  record(6, state);
  flush();
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...rest] = line.split(' ');
  if (command === 'run') run(Number(rest[0]));
  else if (command === 'pin') mcu.gpio[Number(rest[0])].setInputValue(rest[1] === '1');
  else if (command === 'type') typed.push(...Buffer.from(`${rest.join(' ')}\n`));
  else throw new Error(`no command ${line}`);
}
