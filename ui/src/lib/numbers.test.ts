import { expect, test } from "vitest";
import { bytes } from "./numbers";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [20_480, "20 KiB"],
  [50_541_363, "48.2 MiB"],
  [2 * 1024 ** 3, "2 GiB"],
])("%i bytes are %s", (n, words) => {
  expect(bytes(n)).toBe(words);
});
