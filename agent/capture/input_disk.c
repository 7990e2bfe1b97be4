/* SPDX-License-Identifier: MIT */
/*
 * Followed files that lie on a disk. In: files that may have more. Out: what a card side read of them, one
 * file at a time. Always true: the fast side makes no system call on such a file's descriptor but close; a
 * buffer that was read belongs to the position that it was read for.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/capture/inputs.h"
#include "common/log.h"

static void on_read_work(struct lb_card_job *job)
{
    struct lb_input_reader *reader = job->arg;
    struct stat st;

    reader->got = 0;
    reader->size = 0;
    if (fstat(reader->fd, &st) != 0) {
        reader->got = -errno;
        return;
    }
    reader->size = (uint64_t)st.st_size;
    if (reader->size > reader->pos) {
        ssize_t got = pread(reader->fd, reader->buf, LB_INPUT_READ_BYTES, (off_t)reader->pos);

        reader->got = got < 0 ? -errno : got;
    }
}

static void on_read_done(struct lb_card_job *job)
{
    struct lb_input_reader *reader = job->arg;

    reader->is_out = false;
    lb_turns_make_ready(reader->file->input->inputs->capture, reader->file->stream);
}

void lb_disk_next(struct lb_inputs *inputs)
{
    struct lb_input_reader *reader = &inputs->reader;

    if (reader->file)
        return;
    for (unsigned i = 0; i < LB_INPUT_FILES; i++) {
        struct lb_input_file *file = &inputs->file[(reader->next + i) % LB_INPUT_FILES];

        if (!file->input || !file->wants_read)
            continue;
        reader->job = (struct lb_card_job) { on_read_work, on_read_done, reader };
        reader->fd = file->fd;
        reader->pos = lb_files_position(file);
        reader->taken = 0;
        if (lb_card_submit(&inputs->card, LB_CARD_FAST, &reader->job) < 0)
            return; /* the next scan asks again */
        reader->file = file;
        reader->is_out = true;
        reader->next = (unsigned)(file - inputs->file) + 1;
        return;
    }
}

/* The answer was taken. */
static void end_answer(struct lb_input_file *file)
{
    file->wants_read = false;
    file->input->inputs->reader.file = NULL;
    lb_disk_next(file->input->inputs);
}

/* The answer is here, and it is this file's. */
static int64_t take_answer(struct lb_input_file *file, bool *ret_is_empty)
{
    struct lb_input_reader *reader = &file->input->inputs->reader;
    uint64_t position = lb_files_position(file);
    int64_t part;

    *ret_is_empty = true;
    file->is_at_end = reader->got == 0 && reader->size == position;
    if (reader->got < 0)
        lb_log(LB_LEVEL_WARNING, "input %s: cannot read a file: %s", file->input->config.name,
               strerror((int)-reader->got));
    if (reader->got == 0 && reader->size < position) {
        lb_files_truncated(file);
        *ret_is_empty = false;
    }
    if (reader->got <= 0 || reader->pos + reader->taken != position) {
        end_answer(file);
        return 0;
    }
    *ret_is_empty = false; /* look for more */
    part = (int64_t)lb_files_turn_bytes(file->input->inputs);
    if (part > reader->got - (int64_t)reader->taken)
        part = reader->got - (int64_t)reader->taken;
    part = lb_files_stage(file, reader->buf + reader->taken, (size_t)part);
    if (part < 0)
        return part;
    reader->taken += (size_t)part;
    if (reader->taken == (size_t)reader->got)
        end_answer(file);
    return part;
}

int64_t lb_disk_read(struct lb_input_file *file, bool *ret_is_empty)
{
    struct lb_input_reader *reader = &file->input->inputs->reader;

    *ret_is_empty = true;
    if (reader->file == file && !reader->is_out)
        return take_answer(file, ret_is_empty);
    file->wants_read = true;
    lb_disk_next(file->input->inputs);
    return 0;
}

bool lb_disk_forget(struct lb_input_file *file)
{
    struct lb_input_reader *reader = &file->input->inputs->reader;

    if (reader->file == file && reader->is_out)
        return false;
    file->wants_read = false;
    if (reader->file == file)
        end_answer(file);
    return true;
}
