/** The wire between view and kernel (its twin is src/saewidgets/widgets/wire.py), and the part of anywidget we use. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a host (notebook front-end or static page) gives a widget. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...args: unknown[]) => void): void;
  off(event: string, callback: (...args: unknown[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

export type Encoding = "binary" | "base64";
export type Dtype = "u8" | "u32" | "i32" | "f32";
export type NumericArray = Uint8Array | Uint32Array | Int32Array | Float32Array;

export interface ArraySpec {
  name: string;
  dtype: Dtype;
  shape: number[];
  b64?: string;
}

export interface WireError {
  type: string;
  message: string;
  traceback: string;
}

export type FromKernel =
  | { t: "progress"; id: string; done: number; total: number }
  | { t: "part"; id: string; r: Json }
  /** Features were named or renamed somewhere: answers that bring names are old. */
  | { t: "names" }
  | { t: "res"; id: string; ok: true; r: Json; arrays: ArraySpec[] }
  | { t: "res"; id: string; ok: false; e: WireError };

export interface Reply<R> {
  r: R;
  arrays: Record<string, NumericArray>;
}

/** A failure that the kernel (or the page's host) reported. */
export class KernelError extends Error {
  constructor(readonly info: WireError) {
    super(info.message);
  }
}

/** Any failure in the form of the kernel's errors. */
export function asWireError(reason: unknown): WireError {
  if (reason instanceof KernelError) return reason.info;
  if (!(reason instanceof Error)) return { type: "FrontEndError", message: String(reason), traceback: "" };
  return { type: "FrontEndError", message: reason.message, traceback: reason.stack ?? "" };
}
