/*
 * The sound files. Read and written by pread and pwrite, not mapped: the process under test then carries none of
 * their pages in its memory figures, and a file that is cut short gives silence, not a SIGBUS.
 */
#include "card.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int store_open(struct store *store, const char *path, uint32_t rate, uint32_t channels, int writable)
{
	struct stat status;
	store->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (store->fd < 0)
		return -errno;
	if (fstat(store->fd, &status) < 0) {
		int err = -errno;
		close(store->fd);
		store->fd = -1;
		return err;
	}
	store->rate = rate;
	store->channels = channels;
	store->frames = status.st_size / (off_t)(channels * sizeof(int16_t));
	return 0;
}

/* Cuts a range to the file; returns how many frames were cut off in front. */
static int64_t clip(const struct store *store, int64_t *first, int64_t *frames)
{
	int64_t front = *first < 0 ? -*first : 0;
	if (front > *frames)
		front = *frames;
	*first += front;
	*frames -= front;
	if (*first + *frames > store->frames)
		*frames = *first < store->frames ? store->frames - *first : 0;
	return front;
}

void store_read(const struct store *store, int64_t first, int64_t frames, int16_t *out)
{
	size_t frame = store->channels * sizeof(int16_t);
	memset(out, 0, (size_t)frames * frame);
	out += clip(store, &first, &frames) * store->channels;
	/* What cannot be read stays silence; there is nobody to tell. */
	if (frames > 0 && pread(store->fd, out, (size_t)frames * frame, first * (off_t)frame) < 0)
		memset(out, 0, (size_t)frames * frame);
}

void store_write(const struct store *store, int64_t first, int64_t frames, const int16_t *in)
{
	size_t frame = store->channels * sizeof(int16_t);
	in += clip(store, &first, &frames) * store->channels;
	if (frames > 0 && pwrite(store->fd, in, (size_t)frames * frame, first * (off_t)frame) < 0)
		return; /* a full disk is a silent speaker */
}

void store_silence(const struct store *store, int64_t first, int64_t frames)
{
	static const int16_t zeros[CHUNK * CHANNELS_MAX];
	while (frames > 0) {
		int64_t n = frames < CHUNK ? frames : CHUNK;
		store_write(store, first, n, zeros);
		first += n;
		frames -= n;
	}
}
