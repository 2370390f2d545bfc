#!/usr/bin/env bash
# Node 20.20.2 (libuv 1.46.0), Linux 6.18.44.
#
# Guess: a net.Socket that reads a named pipe emits 'end' once nobody has it open for writing any more, whenever it was opened.
# Behaviour: one that was opened without waiting (O_NONBLOCK) after the last writer had closed is given what the pipe still holds, and
# then nothing, for ever: Linux reports a hang-up to a reader only where a writer was there since it has opened the pipe.
# Only a read tells of the end, by 0 bytes.
# Output seen (the time limit is 2 s):
#   opened before the writer closed: data "words", end
#   opened after the writer closed: data "words", no end; a read gives 0 bytes
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >try.cjs <<'EOF'
const fs = require('node:fs');
const net = require('node:net');
const { execFileSync } = require('node:child_process');

async function read(when) {
  execFileSync('mkfifo', [when]);
  // Keeps what is in the pipe without being a writer.
  const keeper = fs.openSync(when, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  const writer = fs.openSync(when, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  fs.writeSync(writer, 'words');
  if (when === 'after') fs.closeSync(writer);
  const fd = fs.openSync(when, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  if (when === 'before') fs.closeSync(writer);
  const socket = new net.Socket({ fd, readable: true, writable: false });
  let said = '';
  socket.on('data', (bytes) => (said += bytes));
  const ended = new Promise((resolve) => socket.once('end', () => resolve(true)));
  const late = new Promise((resolve) => setTimeout(resolve, 2_000, false));
  const hasEnded = await Promise.race([ended, late]);
  const rest = hasEnded ? '' : `; a read gives ${fs.readSync(fd, Buffer.alloc(1))} bytes`;
  console.log(`opened ${when} the writer closed: data ${JSON.stringify(said)}, ${hasEnded ? 'end' : 'no end'}${rest}`);
  socket.destroy();
  fs.closeSync(keeper);
}

read('before').then(() => read('after')).then(() => process.exit());
EOF
seen=$(node try.cjs)
echo "$seen"
expected='opened before the writer closed: data "words", end
opened after the writer closed: data "words", no end; a read gives 0 bytes'
[ "$seen" = "$expected" ]
