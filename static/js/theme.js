// The reader's choice of light or dark, applied before the first paint: this file is loaded
// without `defer` for that reason. The admin keeps its choice under the same name.
(() => {
  const KEY = "adminTheme";
  const root = document.documentElement;

  function chosen() {
    try {
      return JSON.parse(localStorage.getItem(KEY));
    } catch {
      return null;
    }
  }

  function isDark() {
    const theme = chosen();
    return theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  }

  function apply() {
    root.classList.toggle("dark", isDark());
    root.classList.toggle("light", !isDark());
  }

  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    localStorage.setItem(KEY, JSON.stringify(isDark() ? "light" : "dark"));
    apply();
  });
})();
