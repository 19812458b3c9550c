// Tables as files, as RFC 4180 has them.

const FORMULA = /^[=+\-@\t\r]/; // how a text begins that spreadsheets would compute: an apostrophe keeps it a text

export function csv(rows) {
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function cell(value) {
  const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// Let the browser save a text under a name. The mark in front tells spreadsheets that it is UTF-8.
export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
