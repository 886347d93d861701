const WHOLE = new Intl.NumberFormat("en-US");

/** `12,410` */
export function whole(n: number): string {
  return WHOLE.format(n);
}

/** `1 monitor`, `3 monitors` */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

/** `0.42`, `12.5`, `1,240` : as many digits as a reader uses. */
export function rate(n: number): string {
  if (!Number.isFinite(n)) return "–";
  if (n === 0) return "0";
  if (n < 1) return n.toFixed(2);
  if (n < 100) return n.toFixed(1);
  return whole(Math.round(n));
}

/** The share as a person would say it; never "100 %" or "0 %" when it is not quite. */
export function percent(part: number, total: number): string {
  if (total <= 0) return "–";
  const share = (part / total) * 100;
  if (share > 0 && share < 0.1) return "< 0.1 %";
  if (share < 100 && share > 99.9) return "> 99.9 %";
  return `${share % 1 === 0 ? share : share.toFixed(1)} %`;
}

/** `48.2 MiB`: as many digits as a reader uses. */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = n;
  let at = 0;
  while (size >= 1024 && at < units.length - 1) {
    size /= 1024;
    at += 1;
  }
  const digits = at === 0 || size >= 100 ? 0 : 1;
  return `${size.toFixed(digits).replace(/\.0$/, "")} ${units[at]}`;
}
