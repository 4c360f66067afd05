const key = "switchboard.theme";
export type Theme = "light" | "dark" | "system";

export function storedTheme(): Theme {
  const stored = localStorage.getItem(key);
  return stored === "light" || stored === "dark" ? stored : "system";
}

/** Sets the colours; without a choice of the person's own they follow the system. */
export function applyTheme(theme: Theme = storedTheme()) {
  if (theme === "system") {
    localStorage.removeItem(key);
    delete document.documentElement.dataset["theme"];
  } else {
    localStorage.setItem(key, theme);
    document.documentElement.dataset["theme"] = theme;
  }
}

export function isDark(): boolean {
  const theme = storedTheme();
  return theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}
