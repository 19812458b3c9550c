// Photos that were asked about, kept in this browser alone, so that "back" and a reload show them again.

const MOST = 20; // the oldest go
const here = new Map(); // key -> file, of this page; also where the browser keeps nothing
let writing = Promise.resolve();

// Returns the key under which `recall` finds the file again, at once: nobody waits for a disk.
export function keep(file) {
  const key = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
  here.set(key, file);
  writing = change(async (photos) => {
    await done(photos.put({ key, file, at: Date.now() }));
    const old = (await done(photos.index("at").getAllKeys())).slice(0, -MOST);
    for (const each of old) photos.delete(each);
  });
  return key;
}

// Once what was kept outlives this page.
export const stored = () => writing;

// The file, or undefined where this browser has it no more.
export async function recall(key) {
  if (!here.has(key)) {
    const found = await change((photos) => done(photos.get(key)));
    if (found) here.set(key, found.file);
  }
  return here.get(key);
}

export async function forgetPhotos() {
  here.clear();
  await change((photos) => done(photos.clear()));
}

// What `act` gives, or undefined where the browser keeps nothing: private windows, full disks.
async function change(act) {
  let database;
  try {
    const opening = indexedDB.open("fashion-studio", 1);
    opening.onupgradeneeded = () =>
      opening.result.createObjectStore("photos", { keyPath: "key" }).createIndex("at", "at");
    database = await done(opening);
    return await act(database.transaction("photos", "readwrite").objectStore("photos"));
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
