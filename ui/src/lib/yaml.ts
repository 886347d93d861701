/** Writes a definition as YAML for reading and copying into a file. Writing only; the server does all parsing. */

/** Words that YAML 1.1 or 1.2 readers would take for something else than text. */
const AMBIGUOUS = /^(?:~|null|true|false|yes|no|on|off|y|n|[-+]?[.\d].*|0[xob].*)$/i;
/** Durations and addresses begin with a digit and are text all the same. */
const TEXT_AFTER_ALL = /^(?:(?:\d+(?:\.\d+)?(?:ns|us|ms|[smhdwy]))+|\d+\.\d+\.\d+\.\d+)$/;
const PLAIN = /^[A-Za-z_/][\w ./+@%=()<>^$;-]*$/;

export function toYaml(value: unknown, indent = 0): string {
  if (Array.isArray(value)) return list(value, indent);
  if (isMap(value)) return map(value, indent);
  return `${scalar(value, indent)}\n`;
}

function map(value: Record<string, unknown>, indent: number): string {
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  if (entries.length === 0) return "{}\n";
  return entries.map(([k, v]) => `${pad(indent)}${text(k)}:${after(v, indent)}`).join("");
}

function list(value: unknown[], indent: number): string {
  if (value.length === 0) return "[]\n";
  return value.map((v) => `${pad(indent)}-${item(v, indent)}`).join("");
}

/** What follows `key:`: short lists of plain things stay on the line, as people write them. */
function after(value: unknown, indent: number): string {
  if (Array.isArray(value) && value.length > 0) {
    const inline = value.every((v) => !isMap(v) && !Array.isArray(v))
      ? `[${value.map((v) => scalar(v, 0, true)).join(", ")}]`
      : "";
    if (inline !== "" && inline.length <= 70 && !inline.includes("\n")) return ` ${inline}\n`;
    return `\n${list(value, indent + 2)}`;
  }
  if (isMap(value) && Object.keys(value).length > 0) return `\n${map(value, indent + 2)}`;
  return ` ${toYaml(value, indent + 2)}`;
}

function item(value: unknown, indent: number): string {
  if (isMap(value) && Object.keys(value).length > 0) return ` ${map(value, indent + 2).trimStart()}`;
  if (Array.isArray(value) && value.length > 0) return `\n${list(value, indent + 2)}`;
  return ` ${toYaml(value, indent + 2)}`;
}

function scalar(value: unknown, indent: number, inList = false): string {
  if (value === null || value === undefined) return "null";
  if (typeof value !== "string") return String(value);
  if (!inList && value.includes("\n") && /^[^\s]/.test(value) && !/[^\S\n]\n|\r|\n\n$/.test(value))
    return block(value, indent);
  return text(value);
}

function block(value: string, indent: number): string {
  const keep = value.endsWith("\n") ? "|" : "|-";
  const lines = value.replace(/\n$/, "").split("\n");
  return `${keep}\n${lines.map((l) => (l === "" ? "" : pad(Math.max(indent, 2)) + l)).join("\n")}`;
}

function text(value: string): string {
  if (TEXT_AFTER_ALL.test(value)) return value;
  const plain = PLAIN.test(value) && !AMBIGUOUS.test(value) && !/\s$|\s#/.test(value);
  return plain ? value : JSON.stringify(value);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function pad(n: number): string {
  return " ".repeat(n);
}
