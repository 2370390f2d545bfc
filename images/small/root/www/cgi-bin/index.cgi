#!/bin/sh
# Tells the count. The file is empty for a moment each time that it is written.
until read -r number </run/count; do :; done
printf 'Content-Type: text/plain\r\n\r\ncount %s\n' "$number"
