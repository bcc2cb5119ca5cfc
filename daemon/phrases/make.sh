#!/bin/sh
# Makes the spoken lines again from words.txt (language, line, words, with tabs between): FOLDER/LANGUAGE/LINE.wav.
# Needs espeak-ng and SoX: apt-get install espeak-ng sox. The same versions give the same bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
raw=$(mktemp --suffix=.wav)
trap 'rm -f "$raw"' EXIT
while IFS="$(printf '\t')" read -r language line words; do
    case $language in
        en) voice=en-gb+f2 ;;
        *) voice=$language+f2 ;;
    esac
    mkdir -p "$here/$language"
    espeak-ng -v "$voice" -s 155 -w "$raw" "$words"
    sox -D "$raw" -b 16 "$here/$language/$line.wav" silence 1 0.005 0.5% reverse silence 1 0.005 0.5% reverse \
        rate -v 16000 norm -6
done < "$here/words.txt"
