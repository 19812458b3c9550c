// The rows of a report as a file, more of them than the page shows.

import { ask } from "./api.js";
import { csv, save } from "./csv.js";
import { $ } from "./dom.js";
import { calm, toast, trouble } from "./say.js";

const MOST = 10_000; // rows in one answer

async function download() {
  const { report: name } = $("csv").dataset;
  calm();
  try {
    const { columns, rows, more } = await ask(`/analytics/${name}?limit=${MOST}`);
    const names = columns.map((column) => column.name);
    save(`${name}.csv`, csv([names, ...rows.map((row) => names.map((each) => row[each]))]));
    if (more) toast(`The first ${MOST.toLocaleString("en")} rows. All: fashion-studio analytics ${name} --format csv`);
  } catch (error) {
    trouble(error, download);
  }
}

$("csv").addEventListener("click", download);
