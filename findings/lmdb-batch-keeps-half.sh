#!/usr/bin/env bash
# lmdb 3.5.6 (npm), Node 20.20.2.
#
# Guess: writes that are put together by `batch` or `transaction` are kept or refused together: when the callback throws, none
# is kept.
# Behaviour: what was put before the throw is kept, by both, though the caller is told of a failure. `childTransaction` takes it
# back.
# Output seen:
#   batch: failed, kept: yes
#   transaction: failed, kept: yes
#   childTransaction: failed, kept: no
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts lmdb@3.5.6

cat >try.cjs <<'EOF'
const { open } = require('lmdb');
async function main() {
  const db = open({ path: 'data.mdb', noSubdir: true });
  for (const way of ['batch', 'transaction', 'childTransaction']) {
    let told = 'done';
    try {
      await db[way](() => {
        db.put(way, 'yes');
        throw new Error('the second of two members fails');
      });
    } catch {
      told = 'failed';
    }
    // Something else is written, and on disk.
    await db.put('other', way);
    console.log(`${way}: ${told}, kept: ${db.get(way) ?? 'no'}`);
  }
  await db.close();
}
void main();
EOF
seen=$(node try.cjs)
echo "$seen"
[ "$seen" = 'batch: failed, kept: yes
transaction: failed, kept: yes
childTransaction: failed, kept: no' ]
