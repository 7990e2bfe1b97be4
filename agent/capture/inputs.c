/* SPDX-License-Identifier: MIT */
/*
 * What is read beside the pipes, put together. In: [input] sections. Out: their sources at work, and how each
 * of them does. Always true: an input that cannot be read is told of, and stops nothing.
 */
#include "agent/capture/inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/log.h"

_Static_assert(LB_INPUTS_MAX == LB_INPUT_CURSORS - 1, "each input has a row; the last one is the landing's");

#define CARD_WAIT_MS 500 /* for a job that hangs, at the end */

/* ---- texts that others read ---- */

static void put_text(struct lb_input_text *to, const char *text)
{
    uint64_t word[LB_INPUT_TEXT_WORDS] = { 0 };
    size_t len = strnlen(text, sizeof word - 1);

    memcpy(word, text, len);
    __atomic_store_n(&to->seq, to->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < LB_INPUT_TEXT_WORDS; i++)
        __atomic_store_n(&to->word[i], word[i], __ATOMIC_RELAXED);
    __atomic_store_n(&to->seq, to->seq + 1, __ATOMIC_RELEASE);
}

/* size: at least that of the words and a NUL */
static void get_text(const struct lb_input_text *from, char *buf)
{
    uint64_t seq, word[LB_INPUT_TEXT_WORDS];

    do {
        seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);
        for (unsigned i = 0; i < LB_INPUT_TEXT_WORDS; i++)
            word[i] = __atomic_load_n(&from->word[i], __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((seq & 1) || __atomic_load_n(&from->seq, __ATOMIC_RELAXED) != seq);
    memcpy(buf, word, sizeof word);
    buf[sizeof word] = '\0';
}

void lb_input_tell(struct lb_input *input, enum lb_input_state state, const char *error)
{
    char before[sizeof input->error.word + 1];

    __atomic_store_n(&input->state, state, __ATOMIC_RELAXED);
    get_text(&input->error, before);
    if (strncmp(before, error, sizeof input->error.word - 1) == 0)
        return;
    put_text(&input->error, error);
    if (error[0] != '\0')
        lb_log(LB_LEVEL_WARNING, "input %s: %s", input->config.name, error);
    else
        lb_log(LB_LEVEL_NOTICE, "input %s: all is well again", input->config.name);
}

/* ---- rows of the state file ---- */

void lb_input_take_row(struct lb_input *input)
{
    if (input->has_row)
        return;
    input->has_row = true;
    lb_input_set(input, LB_INPUT_ID, input->id);
    for (unsigned word = LB_INPUT_CURSOR; word < LB_INPUT_WORDS; word++)
        lb_input_set(input, word, 0);
}

static bool is_ours(const struct lb_inputs *inputs, uint64_t id)
{
    for (unsigned i = 0; i < inputs->count; i++)
        if (inputs->input[i].id == id)
            return true;
    return false;
}

/* Each input has the row that it had before; else a free one, or one of an input that is no more. */
static void find_rows(struct lb_inputs *inputs)
{
    const struct lb_commit *commit = &inputs->capture->state->fast;
    bool is_taken[LB_INPUT_CURSORS - 1] = { false };

    for (unsigned i = 0; i < inputs->count; i++)
        for (uint32_t row = 0; row < LB_INPUT_CURSORS - 1 && !inputs->input[i].has_row; row++)
            if (lb_commit_get(commit, LB_FAST_INPUTS, row * LB_INPUT_WORDS + LB_INPUT_ID) ==
                inputs->input[i].id) {
                inputs->input[i].row = row;
                inputs->input[i].has_row = is_taken[row] = true;
            }
    for (unsigned i = 0; i < inputs->count; i++)
        for (uint32_t row = 0; row < LB_INPUT_CURSORS - 1 && !inputs->input[i].has_row; row++) {
            uint64_t id = lb_commit_get(commit, LB_FAST_INPUTS, row * LB_INPUT_WORDS + LB_INPUT_ID);

            if (is_taken[row] || (id != 0 && is_ours(inputs, id)))
                continue;
            inputs->input[i].row = row;
            is_taken[row] = true;
            break;
        }
}

/* ---- start and stop ---- */

/* The configuration in use may be replaced by a reload: what an input reads is as it was at the start. */
static int copy_config(struct lb_input *input, const struct lb_input_config *config)
{
    input->config = *config;
    input->config.type = strdup(config->type);
    input->config.path = strdup(config->path);
    input->config.units = strdup(config->units);
    input->config.service = strdup(config->service);
    input->config.tags = strdup(config->tags);
    input->id = XXH3_64bits(config->name, strlen(config->name));
    if (input->id == 0)
        input->id = 1;
    return input->config.type && input->config.path && input->config.units && input->config.service &&
                   input->config.tags
               ? 0
               : -ENOMEM;
}

static int start_all(struct lb_inputs *inputs)
{
    const struct lb_config *config = inputs->capture->config;
    int rc = 0;

    for (; rc == 0 && inputs->count < config->input_count; inputs->count++) {
        struct lb_input *input = &inputs->input[inputs->count];

        input->inputs = inputs;
        rc = copy_config(input, &config->inputs[inputs->count]);
    }
    if (rc < 0)
        return rc;
    find_rows(inputs);
    rc = lb_card_start(&inputs->card);
    if (rc < 0)
        return rc;
    inputs->has_card = true;
    rc = lb_card_listen(&inputs->card, LB_CARD_FAST, inputs->capture->loop);
    for (unsigned i = 0; rc == 0 && i < inputs->count; i++) {
        if (strcmp(inputs->input[i].config.type, "journal") == 0)
            rc = lb_journal_input_start(&inputs->input[i]);
        else
            inputs->has_files = true;
    }
    return rc == 0 && inputs->has_files ? lb_files_start(inputs) : rc;
}

int lb_inputs_start(struct lb_capture *capture)
{
    struct lb_inputs *inputs;

    if (capture->config->input_count == 0) {
        lb_streams_give_up_files(capture);
        return 0;
    }
    inputs = calloc(1, sizeof *inputs);
    if (!inputs)
        return -ENOMEM;
    inputs->capture = capture;
    inputs->inotify.fd = -1;
    capture->inputs = inputs;
    return start_all(inputs);
}

void lb_inputs_resume(struct lb_capture *capture)
{
    struct lb_inputs *inputs = capture->inputs;

    for (unsigned i = 0; inputs && i < inputs->count; i++)
        if (inputs->input[i].journal)
            lb_journal_input_resume(&inputs->input[i]);
}

void lb_inputs_drain(struct lb_capture *capture)
{
    struct lb_inputs *inputs = capture->inputs;

    for (unsigned i = 0; inputs && i < inputs->count; i++)
        if (inputs->input[i].journal)
            lb_journal_input_drain(&inputs->input[i]);
}

static void free_config(struct lb_input_config *config)
{
    free(config->type);
    free(config->path);
    free(config->units);
    free(config->service);
    free(config->tags);
}

/* Where a job hangs, its memory is left to it: the process is about to end. */
void lb_inputs_stop(struct lb_capture *capture)
{
    struct lb_inputs *inputs = capture->inputs;

    if (!inputs)
        return;
    if (inputs->has_card)
        lb_loop_remove(capture->loop, &inputs->card.desk[LB_CARD_FAST].watch);
    if (inputs->has_card && !lb_card_stop(&inputs->card, CARD_WAIT_MS))
        return;
    for (unsigned i = 0; i < inputs->count; i++)
        if (inputs->input[i].journal)
            lb_journal_input_stop(&inputs->input[i]);
    if (inputs->has_files)
        lb_files_stop(inputs);
    for (unsigned i = 0; i < inputs->count; i++)
        free_config(&inputs->input[i].config);
    __atomic_store_n(&capture->inputs, NULL, __ATOMIC_RELEASE);
    free(inputs);
}

/* ---- for status ---- */

unsigned lb_capture_inputs(const struct lb_capture *capture)
{
    return capture->inputs ? capture->inputs->count : 0;
}

void lb_capture_input(const struct lb_capture *capture, unsigned index, struct lb_input_view *view)
{
    static const char *const states[] = {
        [LB_INPUT_STARTING] = "starting", [LB_INPUT_READING] = "reading", [LB_INPUT_WAITING] = "waiting",
        [LB_INPUT_REFUSED] = "refused",   [LB_INPUT_FAILED] = "failed",
    };
    const struct lb_input *input = &capture->inputs->input[index];
    uint64_t cursor[LB_INPUT_WORDS];

    *view = (struct lb_input_view) {
        .name = input->config.name,
        .type = input->config.type,
        .state = states[__atomic_load_n(&input->state, __ATOMIC_RELAXED)],
        .is_journal = input->journal != NULL,
        .files = __atomic_load_n(&input->files, __ATOMIC_RELAXED),
    };
    get_text(&input->error, view->error);
    lb_commit_snapshot(&capture->state->fast, LB_FAST_INPUTS, input->row * LB_INPUT_WORDS, LB_INPUT_WORDS,
                       cursor);
    if (view->is_journal && cursor[LB_INPUT_ID] == input->id)
        memcpy(view->cursor, &cursor[LB_INPUT_CURSOR], sizeof(uint64_t) * (LB_INPUT_WORDS - 2));
}
