import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    // The colours are written with light-dark(), which browsers know since the first half of 2024.
    target: ["chrome123", "firefox120", "safari17.5"],
    // Nothing is inlined as data:, so that the content security policy can stay strict.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    // `npm run dev` beside `make up`.
    proxy: { "/v1": "http://127.0.0.1:8080", "/portal/config.json": "http://127.0.0.1:8080" },
  },
});
