#!/bin/sh
# Makes every recording named in words.txt again, in this folder. Needs espeak-ng 1.51 and sox 14.4.
# Questions and "stop" are 16 kHz (the microphone), answers 24 kHz (the service); all mono, 16 bit.
# Silence is trimmed at both ends, so that the first and the last sample are speech.
set -eu
cd "$(dirname "$0")"
raw=$(mktemp --suffix=.wav)
trap 'rm -f "$raw"' EXIT
tab=$(printf '\t')
while IFS="$tab" read -r name words; do
    case $name in
    answer-*) voice=en-us+f3 rate=24000 peak=-3 ;;
    *) voice=en-gb rate=16000 peak=-9 ;;
    esac
    espeak-ng -m -v "$voice" -s 165 -w "$raw" "$words"
    # -D: no dither, so that two runs give the same bytes
    sox -D "$raw" -b 16 "$name.wav" \
        silence 1 0.005 0.5% reverse silence 1 0.005 0.5% reverse \
        rate -v "$rate" norm "$peak"
    printf '%s %s s\n' "$name" "$(soxi -D "$name.wav")"
done <words.txt
