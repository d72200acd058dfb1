/** Numbers off the wire: whatever buffer a front-end hands over becomes an aligned typed array of our own. */

import type { ArraySpec, Dtype, NumericArray } from "./types";

const BYTES: Record<Dtype, number> = { u8: 1, u32: 4, i32: 4, f32: 4 };

/** The bytes of a DataView, typed array or ArrayBuffer, without copying. */
export function bytes(buffer: unknown): Uint8Array {
  if (buffer instanceof Uint8Array) return buffer;
  if (ArrayBuffer.isView(buffer)) return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  throw new TypeError('Numbers were lost on the way: make the widget with encoding="base64".');
}

/** The bytes of base64 text. */
export function fromBase64(text: string): Uint8Array {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

function typed(dtype: Dtype, data: Uint8Array): NumericArray {
  const aligned = data.byteOffset % BYTES[dtype] === 0 ? data : data.slice();
  const length = Math.floor(aligned.byteLength / BYTES[dtype]);
  switch (dtype) {
    case "u8":
      return aligned;
    case "u32":
      return new Uint32Array(aligned.buffer, aligned.byteOffset, length);
    case "i32":
      return new Int32Array(aligned.buffer, aligned.byteOffset, length);
    case "f32":
      return new Float32Array(aligned.buffer, aligned.byteOffset, length);
  }
}

/** The arrays of a response, by name; from its buffers, or from base64 inside the specs. */
export function decode(specs: ArraySpec[], buffers: readonly unknown[]): Record<string, NumericArray> {
  const out: Record<string, NumericArray> = {};
  specs.forEach((spec, i) => {
    const data = spec.b64 === undefined ? bytes(buffers[i]) : fromBase64(spec.b64);
    const want = spec.shape.reduce((a, b) => a * b, 1) * BYTES[spec.dtype];
    if (data.byteLength !== want) throw new RangeError(`${spec.name} has ${data.byteLength} bytes, not ${want}.`);
    out[spec.name] = typed(spec.dtype, data);
  });
  return out;
}

/** An array that must be there and be of floats. */
export function floats(arrays: Record<string, NumericArray>, name: string): Float32Array {
  const found = arrays[name];
  if (!(found instanceof Float32Array)) throw new TypeError(`The kernel's answer lacks ${name}.`);
  return found;
}

/** An array that must be there and be of unsigned integers. */
export function ints(arrays: Record<string, NumericArray>, name: string): Uint32Array {
  const found = arrays[name];
  if (!(found instanceof Uint32Array)) throw new TypeError(`The kernel's answer lacks ${name}.`);
  return found;
}

/** An array that must be there and be of integers with a sign. */
export function signedInts(arrays: Record<string, NumericArray>, name: string): Int32Array {
  const found = arrays[name];
  if (!(found instanceof Int32Array)) throw new TypeError(`The kernel's answer lacks ${name}.`);
  return found;
}
