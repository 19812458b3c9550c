// What this browser alone keeps: IndexedDB, a few records a store, the oldest go first.
// Where it keeps nothing (private windows, full disks) nothing is found, and nothing fails.

const STORES = ["photos", "previews", "verdicts"];
const VERSION = 2; // one more where there is another store

// record: {key, …}. Keeps at most `most` of them.
export function put(store, record, most) {
  return within(store, async (records) => {
    await done(records.put({ ...record, at: Date.now() }));
    const old = (await done(records.index("at").getAllKeys())).slice(0, -most);
    for (const key of old) records.delete(key);
  });
}

export function get(store, key) {
  return within(store, (records) => done(records.get(key)));
}

export function all(store) {
  return within(store, (records) => done(records.getAll()));
}

// Those whose key begins so.
export function allBelow(store, start) {
  return within(store, (records) => done(records.getAll(IDBKeyRange.bound(start, `${start}\uffff`))));
}

export function drop(store, key) {
  return within(store, (records) => done(records.delete(key)));
}

export async function forgetAll() {
  for (const store of STORES) await within(store, (records) => done(records.clear()));
}

async function within(store, act) {
  let database;
  try {
    const opening = indexedDB.open("fashion-studio", VERSION);
    opening.onupgradeneeded = () => {
      for (const name of STORES) {
        if (opening.result.objectStoreNames.contains(name)) continue;
        opening.result.createObjectStore(name, { keyPath: "key" }).createIndex("at", "at");
      }
    };
    database = await done(opening);
    const transaction = database.transaction(store, "readwrite");
    const found = await act(transaction.objectStore(store));
    await complete(transaction); // not before does it outlive the page
    return found;
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

// Files as plain bytes: what browsers make of a File in a database differs.
export const pack = async (file) => file && { name: file.name, type: file.type, data: await file.arrayBuffer() };
export const unpack = (kept) => kept && new File([kept.data], kept.name, { type: kept.type });

function complete(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
