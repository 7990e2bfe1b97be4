/* SPDX-License-Identifier: MIT */
/*
 * The remote hand. In: messages that anybody may have published. Out: one of four things done, an answer, a
 * record. Always true: no text of a command becomes a path, a program or a setting that is kept; commands
 * that are taken, and refusals that are answered, keep to [remote] rate each.
 */
#include "agent/control/remote.h"

#include <stdio.h>
#include <string.h>

#include "agent/control/request.h"
#include "agent/shape/limit.h"
#include "common/clock.h"
#include "common/level.h"
#include "common/units.h"

static void refuse(struct lb_remote_outcome *outcome, const char *why)
{
    outcome->is_refused = true;
    snprintf(outcome->text, sizeof outcome->text, "%s", why);
}

/* ---- answered, and told ---- */

/* No more than fits: what is cut is the sender's. */
static void copy(char *to, size_t size, const char *text)
{
    memcpy(to, text, strnlen(text, size));
}

static void tell(struct lb_remote *remote, const struct lb_remote_command *command,
                 const struct lb_remote_outcome *outcome)
{
    struct lb_remote_told told = { .is_refused = outcome->is_refused, .for_ms = command->for_ms };

    if (!lb_hand_has_room(&remote->link->hand))
        return;
    copy(told.command, sizeof told.command,
         command->name >= 0 ? lb_remote_name_text(command->name) : "nothing known");
    copy(told.id, sizeof told.id, command->id);
    copy(told.who, sizeof told.who, command->who[0] ? command->who : "somebody without a name");
    copy(told.topic, sizeof told.topic, remote->config->remote_command_topic);
    copy(told.service, sizeof told.service, command->service);
    if (command->level >= 0)
        copy(told.level, sizeof told.level, lb_level_name(command->level));
    copy(told.text, sizeof told.text, outcome->text);
    lb_hand_put(&remote->link->hand, &told);
    lb_link_knock(remote->link->to_fast_fd);
}

static void answer(struct lb_remote *remote, const struct lb_remote_command *command,
                   struct lb_remote_outcome *outcome, const struct lb_mqtt_heard *heard)
{
    size_t len;
    char *body = lb_remote_reply(remote->config->hostname, command, outcome, &len);

    if (outcome->is_refused)
        remote->refused++;
    else
        remote->done++;
    if (body)
        remote->say(remote->say_ctx, body, len, heard);
    tell(remote, command, outcome);
}

/* ---- carried out ---- */

static void remember(struct lb_remote *remote, const char *id)
{
    memcpy(remote->ids[remote->next_id], id, sizeof remote->ids[0]);
    remote->next_id = (remote->next_id + 1) % LB_REMOTE_IDS;
}

static void set_level(struct lb_remote *remote, const struct lb_remote_command *command, uint64_t now_ns,
                      struct lb_remote_outcome *outcome)
{
    uint32_t row;
    char time[32];
    const char *why = lb_request_service(remote->status->state, command->service, &row);

    if (!why && command->for_ms > remote->config->remote_max_for_ms)
        why = "for is longer than [remote] max_for allows";
    if (why) {
        refuse(outcome, why);
        return;
    }
    lb_hand_set_level(&remote->link->hand, row, command->level,
                      command->for_ms ? now_ns / LB_NS_PER_MS + command->for_ms : 0);
    if (command->for_ms)
        snprintf(outcome->text, sizeof outcome->text, "what is less severe than %s is held, for %s",
                 lb_level_name(command->level), lb_units_print_duration(command->for_ms, time, sizeof time));
    else
        snprintf(outcome->text, sizeof outcome->text, "min_level of the configuration counts again");
}

/* true: the fast side is asked, and the answer comes when it has done it */
static bool ask_for_context(struct lb_remote *remote, const struct lb_remote_command *command,
                            const struct lb_mqtt_heard *heard, uint64_t now_ns,
                            struct lb_remote_outcome *outcome)
{
    const char *why = lb_request_context(remote->link, remote->status->state, command->service);

    if (why) {
        refuse(outcome, why);
        return false;
    }
    remember(remote, command->id);
    remote->asked.is_open = true;
    remote->asked.ticket = lb_link_get(&remote->link->context_asked);
    remote->asked.due_ns = now_ns + LB_REMOTE_WAIT_NS;
    remote->asked.command = *command;
    remote->asked.heard = *heard;
    lb_link_knock(remote->link->to_fast_fd);
    return true;
}

void lb_remote_settle(struct lb_remote *remote, uint64_t now_ns)
{
    struct lb_remote_outcome outcome = { 0 };

    if (!remote->asked.is_open)
        return;
    if (lb_link_get(&remote->link->context_done) == remote->asked.ticket) {
        outcome.has_lines = true;
        outcome.lines = lb_link_get(&remote->link->context_lines);
        snprintf(outcome.text, sizeof outcome.text, "%llu lines that were held are sent",
                 (unsigned long long)outcome.lines);
    } else if (now_ns >= remote->asked.due_ns) {
        snprintf(outcome.text, sizeof outcome.text, "the agent is busy, and sends it when it is not");
    } else {
        return;
    }
    remote->asked.is_open = false;
    answer(remote, &remote->asked.command, &outcome, &remote->asked.heard);
}

/* ---- taken, or not ---- */

static bool is_known(const struct lb_remote *remote, const char *id)
{
    for (unsigned i = 0; i < LB_REMOTE_IDS; i++)
        if (strcmp(remote->ids[i], id) == 0)
            return true;
    return false;
}

static const char *check_time(const struct lb_remote *remote, const struct lb_remote_command *command,
                              uint64_t now_ns)
{
    if (command->expires_s == 0)
        return NULL;
    if (lb_wall_trust(remote->wall, now_ns) == LB_CLOCK_UNKNOWN)
        return "it expires, and the device does not know what time it is";
    return (now_ns + lb_wall_offset_ns(remote->wall)) / LB_NS_PER_S >= command->expires_s ? "it has expired"
                                                                                          : NULL;
}

/* Whole, allowed, new, in time. */
static const char *check(const struct lb_remote *remote, const struct lb_mqtt_heard *heard,
                         const struct lb_remote_command *command, const char *fault, uint64_t now_ns)
{
    if (heard->is_retained)
        return "it is retained: it would be carried out again at each connection";
    if (fault)
        return fault;
    if (heard->correlation_len > sizeof heard->correlation)
        return "its correlation data is longer than 64 bytes";
    if (!(remote->allowed & 1u << command->name))
        return "[remote] commands does not name it";
    if (is_known(remote, command->id))
        return "a command with this id was taken already";
    if (!lb_hand_has_room(&remote->link->hand))
        return "the agent is busy: commands from before are not told yet";
    return check_time(remote, command, now_ns);
}

/* May one more pass this bucket? It is charged. */
static bool passes(const struct lb_remote *remote, uint64_t *full_ns, uint64_t burst, uint64_t now_ns)
{
    uint64_t next_ns = lb_bucket_ask(*full_ns, now_ns, 1, remote->config->remote_rate_per_day, burst);

    if (next_ns == UINT64_MAX)
        return false;
    *full_ns = next_ns;
    return true;
}

static void refuse_by_rate(struct lb_remote *remote, const struct lb_remote_command *command,
                           const struct lb_mqtt_heard *heard, uint64_t now_ns)
{
    struct lb_remote_outcome outcome = { 0 };

    if (!passes(remote, &remote->refused_full_ns, 1, now_ns)) {
        remote->refused++;
        remote->silent++;
        return;
    }
    refuse(&outcome, "more commands come than [remote] rate allows");
    answer(remote, command, &outcome, heard);
}

void lb_remote_take(struct lb_remote *remote, const struct lb_mqtt_heard *heard, uint64_t now_ns)
{
    struct lb_remote_outcome outcome = { 0 };
    struct lb_remote_command command;
    const char *fault = lb_remote_command_read(heard->payload, heard->len, &command);

    if (!passes(remote, &remote->taken_full_ns, LB_REMOTE_BURST, now_ns)) {
        refuse_by_rate(remote, &command, heard, now_ns);
        return;
    }
    fault = check(remote, heard, &command, fault, now_ns);
    if (fault) {
        refuse(&outcome, fault);
        answer(remote, &command, &outcome, heard);
        return;
    }
    switch ((enum lb_remote_name)command.name) {
    case LB_REMOTE_CONTEXT:
        if (ask_for_context(remote, &command, heard, now_ns, &outcome))
            return;
        break;
    case LB_REMOTE_LEVEL:
        set_level(remote, &command, now_ns, &outcome);
        break;
    case LB_REMOTE_STATUS:
    case LB_REMOTE_WEAR:
        lb_remote_reply_object(remote->status, &command, now_ns, &outcome);
        break;
    case LB_REMOTE_NAMES:
        break;
    }
    if (!outcome.is_refused)
        remember(remote, command.id);
    answer(remote, &command, &outcome, heard);
}

/* ---- wired ---- */

void lb_remote_step(struct lb_remote *remote, uint64_t now_ns)
{
    struct lb_mqtt_heard heard;

    if (!remote->is_on) {
        remote->asked.is_open = false;
        return;
    }
    lb_remote_settle(remote, now_ns);
    while (!remote->asked.is_open && lb_mqtt_hand_may_say(&remote->hand) &&
           lb_mqtt_hand_next(&remote->hand, &heard))
        lb_remote_take(remote, &heard, now_ns);
    lb_mqtt_hand_step(&remote->hand, now_ns);
    if (remote->asked.is_open && remote->asked.due_ns < remote->hand.timer.due_ns)
        remote->hand.timer.due_ns = remote->asked.due_ns;
}

static int say_by_hand(void *ctx, char *body, size_t len, const struct lb_mqtt_heard *to)
{
    return lb_mqtt_hand_say(ctx, body, len, to);
}

void lb_remote_open(struct lb_remote *remote, const struct lb_config *config,
                    const struct lb_transport *transport, uint64_t seed, uint64_t now_ns)
{
    const struct lb_sink_config *sink = lb_config_remote_sink(config);
    struct lb_mqtt_hand *hand = &remote->hand;
    uint64_t lost = hand->lost, unsaid = hand->unsaid;

    remote->config = config;
    remote->is_on = false;
    if (!sink || !transport)
        return;
    *hand = (struct lb_mqtt_hand) { .is_deaf = !config->has_remote, .lost = lost, .unsaid = unsaid };
    snprintf(hand->command_topic, sizeof hand->command_topic, "%s", config->remote_command_topic);
    snprintf(hand->reply_topic, sizeof hand->reply_topic, "%s", config->remote_reply_topic);
    lb_retry_init(&hand->retry, sink->retry_min_ms, sink->retry_max_ms, 1, ~seed);
    /* A fleet that is switched on together does not connect together. */
    hand->retry.until_ns = now_ns + lb_retry_random(&hand->retry, sink->wait_ms + 1) * LB_NS_PER_MS;
    remote->is_on = lb_mqtt_attach(transport, hand) && config->has_remote;
    remote->allowed = lb_remote_names_parse(config->remote_commands);
    remote->say = say_by_hand;
    remote->say_ctx = hand;
}

void lb_remote_hurry(struct lb_remote *remote, uint64_t now_ns)
{
    if (remote->is_on)
        lb_mqtt_hand_hurry(&remote->hand, now_ns);
}
