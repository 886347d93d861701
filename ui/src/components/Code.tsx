import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { toast } from "./ui/toast";

const COPIED_MS = 1500;

/** Text to be read as it is, with a way to copy it. */
export function Code({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), COPIED_MS);
    } catch {
      // Browsers allow it only over HTTPS or on localhost.
      toast("failed", "The browser does not allow copying here; select the text instead.");
    }
  };
  return (
    <section aria-label={label} className="relative">
      <button
        type="button"
        aria-label={copied ? "Copied" : "Copy"}
        onClick={() => void copy()}
        className="absolute top-2.5 right-2.5 rounded-md border bg-panel p-1.5 text-ink-2 hover:text-ink"
      >
        {copied ? <Check className="size-3.5" /> : <Copy className="size-3.5" />}
      </button>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0} className="max-h-120 overflow-auto p-4 pr-12 font-mono text-xs leading-5">
        {text}
      </pre>
    </section>
  );
}
