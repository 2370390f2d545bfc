#!/usr/bin/env bash
# re2js 2.10.0 (npm), Node 20.20.2.
#
# Guess: `translateRegExp`, which makes a pattern of JavaScript one that RE2 takes, leaves what RE2 does not have as it is, so
# that `compile` refuses it, as it does a look-ahead.
# Behaviour: a named back-reference loses its backslash and becomes plain letters: the pattern compiles, and matches other
# lines than JavaScript's. Whoever takes patterns from others has to look for it first.
# Output seen:
#   look-ahead: refused
#   back-reference: translated to (?P<word>\w+) k<word>
#   "so so": JavaScript true, re2js false
#   "so k<word>": JavaScript false, re2js true
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts re2js@2.10.0

cat >try.cjs <<'EOF'
const { RE2JS } = require('re2js');
const isRefused = (source) => {
  try {
    RE2JS.compile(RE2JS.translateRegExp(source));
    return false;
  } catch {
    return true;
  }
};
console.log(`look-ahead: ${isRefused('(?=ready)') ? 'refused' : 'taken'}`);
const source = '(?<word>\\w+) \\k<word>';
const translated = RE2JS.translateRegExp(source);
console.log(`back-reference: translated to ${translated}`);
for (const line of ['so so', 'so k<word>']) {
  const [js, re2] = [new RegExp(source, 'u').test(line), RE2JS.compile(translated).matcher(line).find()];
  console.log(`"${line}": JavaScript ${js}, re2js ${re2}`);
}
EOF
seen=$(node try.cjs)
echo "$seen"
[ "$seen" = 'look-ahead: refused
back-reference: translated to (?P<word>\w+) k<word>
"so so": JavaScript true, re2js false
"so k<word>": JavaScript false, re2js true' ]
