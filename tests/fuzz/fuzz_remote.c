/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a command from afar. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: what
 * is taken is one of four commands with texts of their kind, and is the same with blanks around it; a byte
 * more than is allowed and it is none; what is refused says why; the answer and the record of it are whole
 * JSON, however it ends.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control/remote_reply.h"
#include "agent/ship/encode_own.h"
#include "agent/ship/sinks/sink.h"
#include "common/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_taken(const struct lb_remote_command *command)
{
    must(command->name >= 0 && command->name < LB_REMOTE_NAMES);
    must(command->id[0] && strlen(command->id) <= LB_REMOTE_ID_MAX &&
         strlen(command->who) <= LB_REMOTE_WHO_MAX);
    must(!strpbrk(command->id, "\"\\/ ") && !strpbrk(command->service, "\"\\ $;|&`"));
    for (const char *at = command->who; *at; at++)
        must((unsigned char)*at >= ' ' && *at != 0x7f);
    if (command->name == LB_REMOTE_LEVEL)
        must(command->service[0] && command->level >= 0 && command->level < 8);
    else
        must(command->level == -1 && command->for_ms == 0);
    must((command->service[0] != '\0') == (command->name <= LB_REMOTE_LEVEL));
}

static void check_blanks(const uint8_t *data, size_t size, const struct lb_remote_command *command,
                         bool is_taken)
{
    static char text[LB_REMOTE_COMMAND_MAX + 2];
    struct lb_remote_command other;

    if (size + 2 > LB_REMOTE_COMMAND_MAX)
        return;
    text[0] = ' ';
    memcpy(text + 1, data, size);
    text[size + 1] = '\n';
    must(!lb_remote_command_read(text, size + 2, &other) == is_taken);
    must(!is_taken || memcmp(&other, command, sizeof other) == 0);
}

/* All members of an object can be read, and it is whole. */
static void check_json(const char *text, size_t len)
{
    struct lb_json_scan scan;
    struct lb_json_member member;

    must(lb_json_scan_begin(&scan, text, len));
    while (lb_json_scan_next(&scan, &member))
        ;
    must(!scan.is_broken && scan.at == scan.end);
}

static void check_answer(const struct lb_remote_command *command, const char *why)
{
    struct lb_remote_outcome outcome = { .is_refused = why != NULL };
    size_t len;
    char *text;

    snprintf(outcome.text, sizeof outcome.text, "%s", why ? why : "done");
    text = lb_remote_reply("box", command, &outcome, &len);
    must(text && len <= LB_MQTT_MESSAGE_MAX);
    check_json(text, len);
    free(text);
}

static void check_record(const struct lb_remote_command *command, const char *why)
{
    static union {
        struct lb_record head;
        char bytes[sizeof(struct lb_record) + sizeof(struct lb_remote_told)];
    } record;
    struct lb_remote_told told = { .is_refused = why != NULL, .for_ms = command->for_ms };
    static char members[12288];
    char text[LB_OWN_TEXT_MAX];
    size_t len;

    memcpy(told.id, command->id, strnlen(command->id, sizeof told.id));
    memcpy(told.who, command->who, strnlen(command->who, sizeof told.who));
    memcpy(told.service, command->service, strnlen(command->service, sizeof told.service));
    record.head = (struct lb_record) { .kind = LB_KIND_REMOTE, .body_len = sizeof told };
    memcpy(record.bytes + sizeof record.head, &told, sizeof told);
    must(lb_own_text(&record.head, text, sizeof text) > 0);
    members[0] = '{';
    len = (size_t)(lb_own_members(&record.head, 0, members + 1) - members);
    members[len++] = '}';
    check_json(members, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* of its own size: a byte read beyond it is seen */
    struct lb_remote_command command;
    const char *why;

    must(copy != NULL);
    memcpy(copy, data, size);
    why = lb_remote_command_read(copy, size, &command);
    free(copy);
    must(!why || why[0]);
    must(size <= LB_REMOTE_COMMAND_MAX || why);
    if (!why)
        check_taken(&command);
    check_blanks(data, size, &command, !why);
    check_answer(&command, why);
    check_record(&command, why);
    return 0;
}
