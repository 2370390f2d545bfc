#!/usr/bin/env bash
# lmdb 3.5.6 (npm), Node 20.20.2, Linux.
#
# Guess: Node opens all files with close-on-exec, so that a child process gets stdin, stdout and stderr only.
# Behaviour: lmdb opens its files itself, without close-on-exec. Every child of a process that has a database open holds
# data.mdb open for reading and writing, whatever `stdio` says, and so does what that child starts.
# Output seen:
#   child of a process with a database: data.mdb flags 0100002
#   grandchild: data.mdb flags 0100002
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts lmdb@3.5.6

cat >look.sh <<'EOF'
for fd in /proc/self/fd/*; do
  case $(readlink "$fd") in
    */data.mdb) echo "$1: data.mdb flags $(sed -n 's/^flags:\t//p' "/proc/self/fdinfo/${fd##*/}")" ;;
  esac
done
[ "$1" = grandchild ] || sh look.sh grandchild
EOF

cat >open.cjs <<'EOF'
const { open } = require('lmdb');
const { spawnSync } = require('node:child_process');
const db = open({ path: 'data.mdb', noSubdir: true });
const { stdout } = spawnSync('sh', ['look.sh', 'child of a process with a database'], { encoding: 'utf8' });
process.stdout.write(stdout);
void db.close();
EOF

seen=$(node open.cjs)
echo "$seen"
[ "$(echo "$seen" | grep -c 'data.mdb flags 0.*2$')" = 2 ]
