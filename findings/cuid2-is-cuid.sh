#!/usr/bin/env bash
# @paralleldrive/cuid2 2.2.2 (npm), Node 20.20.2.
#
# Guess: `isCuid` tells ids that `createId` makes from other words.
# Behaviour: it asks for 2 to 32 lower-case letters and digits, the first a letter. `createId` makes 24, unless told
# otherwise; most words of a language pass. Whoever removes "whatever is no id of ours" by it, or the other way round,
# takes folders such as `backup` for ids.
# Output seen:
#   createId makes 24 characters; isCuid: backup true, prod true, a1 true, node_modules false
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @paralleldrive/cuid2@2.2.2

seen=$(node -e "
const { createId, isCuid } = require('@paralleldrive/cuid2');
const words = ['backup', 'prod', 'a1', 'node_modules'];
console.log('createId makes ' + createId().length + ' characters; isCuid: ' + words.map((word) => word + ' ' + isCuid(word)).join(', '));
")
echo "$seen"
[ "$seen" = 'createId makes 24 characters; isCuid: backup true, prod true, a1 true, node_modules false' ]
