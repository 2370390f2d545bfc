#!/usr/bin/env bash
# Node 20.20.2, Linux 6.18.44.
#
# Guess: `kill` of a child that could not be spawned (ENOENT) does nothing and returns false: it has no pid.
# Behaviour: until its 'error' event it returns true, and the signal goes to the process group of the caller, itself included.
# Output seen:
#   pid undefined, kill returns true
#   error ENOENT
#   the caller gets SIGUSR2
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >try.cjs <<'EOF'
const { spawn } = require('node:child_process');

process.once('SIGUSR2', () => {
  console.log('the caller gets SIGUSR2');
  clearTimeout(patience);
});
const patience = setTimeout(() => console.log('the caller gets nothing'), 2_000);
const child = spawn('/no/such/program');
child.on('error', ({ code }) => console.log(`error ${code}`));
console.log(`pid ${child.pid}, kill returns ${child.kill('SIGUSR2')}`);
EOF
# In a session of its own, so that nobody else gets the signal.
seen=$(setsid --wait node try.cjs)
echo "$seen"
expected='pid undefined, kill returns true
error ENOENT
the caller gets SIGUSR2'
[ "$seen" = "$expected" ]
