/** The name that a person gave last, so that it is typed once. */
const AUTHOR = "ninevolt-author";

export function rememberedAuthor(): string {
  try {
    return localStorage.getItem(AUTHOR) ?? "";
  } catch {
    return "";
  }
}

export function rememberAuthor(author: string): void {
  try {
    localStorage.setItem(AUTHOR, author);
  } catch {
    // Without storage the name is typed again next time.
  }
}
