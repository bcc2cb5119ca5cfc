/*
 * What the virtual card, the test that drives it and their files agree on.
 *
 * The control file is one `struct control`, mapped by both sides; tests/world/src/card/control.rs is the same
 * layout in Rust. One writer per field: the test writes the clock and the faults, the plugin the report.
 */
#ifndef PRESSEL_CARD_H
#define PRESSEL_CARD_H

#include <stdint.h>
#include <sys/types.h>

#define CONTROL_MAGIC 0x64726163u /* "card" */
#define CONTROL_VERSION 2u
#define POSITION_UNIT 1000000 /* positions of the clock are in millionths of a frame */

#define FAILS_POLL 0x10000u /* beyond any errno */

/* Where a direction stands; `report.state`. */
enum stream_state {
	STREAM_CLOSED,
	STREAM_OPEN,
	STREAM_PREPARED,
	STREAM_RUNNING,
	STREAM_STOPPED,
	STREAM_XRUN,
	STREAM_GONE,
};

/* The card's clock in one direction: frame n begins when the position reaches n. A sequence lock: odd = being written. */
struct clock_anchor {
	uint32_t sequence;
	uint32_t stalled;    /* the position stands still */
	uint64_t at_ns;      /* CLOCK_MONOTONIC */
	int64_t position;    /* at that time, millionths of a frame at the file's rate */
	int64_t drift_ppb;   /* how much faster than nominal, parts per billion */
};

struct faults {
	uint32_t plugs;       /* even: unplugged; odd: plugged in. An open handle dies with any change */
	uint32_t open_errno;  /* what open fails with (EBUSY, EACCES, ...), 0 = succeeds */
	uint32_t forced_xruns; /* each increment is one xrun */
	uint32_t kicks;       /* incremented before each byte written to the kick fifo */
	uint32_t echo_gain_q16; /* capture only; 65536 = as loud as played, 0 = no echo */
	uint32_t stream_errno; /* what the calls of an open stream fail with; FAILS_POLL: poll alone, with POLLERR */
	uint64_t echo_delay_ns;
};

struct report {
	uint32_t state; /* enum stream_state */
	uint32_t pid;   /* of the last opener */
	uint32_t rate, channels, format, period, buffer; /* format: snd_pcm_format_t; frames */
	uint32_t free_running; /* 1 = never stops by itself (stop_threshold >= boundary) */
	uint64_t opens, starts, xruns;
	uint64_t wakeups;  /* the process was woken because it had something to do */
	uint64_t spurious; /* it was woken for nothing */
	uint64_t late;     /* frames written after the moment they should have been heard */
	uint64_t start;    /* absolute number of the stream's first frame, at the stream's rate */
	uint64_t transferred; /* frames read or written by the process since open */
	uint64_t queued_until; /* playback: end of what lies in the speaker's file, in its frames */
};

struct direction {
	struct clock_anchor clock;
	struct faults faults;
	struct report report;
};

struct control {
	uint32_t magic, version;
	uint32_t size; /* of this structure */
	uint32_t reserved;
	uint64_t t0_ns;
	struct direction direction[2]; /* 0 capture, 1 playback */
};

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)
#define COUNT(field, by) __atomic_add_fetch(&(field), (by), __ATOMIC_ACQ_REL)

/* --- clock.c: between CLOCK_MONOTONIC and frame numbers --- */

/* A consistent copy of a clock, with the rate its positions are counted in. */
struct clock {
	uint32_t rate;
	int stalled;
	int64_t at_ns, position, drift_ppb;
};

int64_t muldiv_down(int64_t a, int64_t b, int64_t c);
int64_t muldiv_up(int64_t a, int64_t b, int64_t c);
int64_t now_ns(void);
struct clock clock_read(struct clock_anchor *anchor, uint32_t rate);
int64_t clock_position(const struct clock *clock, int64_t ns);
int64_t clock_time(const struct clock *clock, int64_t position);

/* --- store.c: the sound files, i16 interleaved, indexed by absolute frame number --- */

struct store {
	int fd;
	uint32_t rate, channels;
	int64_t frames; /* beyond: silence, writes fall away */
};

#define CHUNK 512 /* frames moved at once */
#define CHANNELS_MAX 32

int store_open(struct store *store, const char *path, uint32_t rate, uint32_t channels, int writable);
void store_read(const struct store *store, int64_t first, int64_t frames, int16_t *out);
void store_write(const struct store *store, int64_t first, int64_t frames, const int16_t *in);
void store_silence(const struct store *store, int64_t first, int64_t frames);

#endif
