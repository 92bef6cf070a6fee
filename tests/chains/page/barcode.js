"use strict";

// Reads what barcode.py draws.
const COLUMNS = 20;
const ROWS = 2;
const THRESHOLD = 128;
const CHECK_BITS = 8n;

const canvas = document.createElement("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });

/** The time in the frame that a video shows; null where it cannot be read. */
function readCode(video) {
  const width = video.videoWidth;
  const cell = width / COLUMNS;
  canvas.width = width;
  canvas.height = Math.ceil(ROWS * cell);
  context.drawImage(video, 0, 0);
  let value = 0n;
  for (let row = 0; row < ROWS; row++) {
    const line = context.getImageData(0, Math.floor((row + 0.5) * cell), width, 1).data;
    for (let column = 0; column < COLUMNS; column++) {
      const green = line[4 * Math.floor((column + 0.5) * cell) + 1];
      value = (value << 1n) | BigInt(green > THRESHOLD);
    }
  }
  const stamp = Number(value >> CHECK_BITS);
  return checkOf(stamp) === Number(value & ((1n << CHECK_BITS) - 1n)) ? stamp : null;
}

function checkOf(stamp) {
  const bytes = [24, 16, 8, 0].map((shift) => (stamp >>> shift) & 255);
  return (bytes.reduce((sum, byte) => sum + byte, 0) * 7 + 0x5a) % 256;
}
