/* SPDX-License-Identifier: MIT */
/* Commands from afar, in status. In: the remote hand, read only. Out: JSON, lines for a person, numbers. */
#include "agent/control/remote_status.h"

#include "agent/control/remote.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/level.h"
#include "common/units.h"

static bool is_on(const struct lb_status_source *source)
{
    return source->remote && source->remote->is_on;
}

static const char *state_of(const struct lb_remote *remote)
{
    switch (remote->hand.state) {
    case LB_MQTT_HAND_AWAY:
        return remote->hand.is_refusal_told ? "refused" : "connecting";
    case LB_MQTT_HAND_ASKING:
        return remote->hand.subscribe_code >= 0x80 ? "refused" : "subscribing";
    case LB_MQTT_HAND_HEARING:
        break;
    }
    return "subscribed";
}

/* A level that is asked for now. false: of this row there is none */
static bool read_level(const struct lb_status_source *source, uint32_t row, uint64_t now_ns,
                       const char **ret_service, int *ret_level, uint64_t *ret_left_ms)
{
    const struct lb_hand *hand = &source->remote->link->hand;
    unsigned level = lb_hand_level(hand, row, now_ns);

    if (level == 0)
        return false;
    *ret_service = source->state->file->name[row].text; /* legal names need no escapes */
    *ret_level = (int)level - 1;
    *ret_left_ms = lb_hand_level_until_ms(hand, row) - now_ns / LB_NS_PER_MS;
    return true;
}

static int name_len(const struct lb_status_source *source, uint32_t row)
{
    uint64_t len = source->state->file->name[row].len;

    return len <= sizeof source->state->file->name[row].text ? (int)len : 0;
}

void lb_status_print_remote(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    const struct lb_remote *remote = source->remote;
    char topic[6 * LB_TOPIC_MAX + 32];
    const char *service, *before = "";
    uint64_t left_ms;
    int level;

    if (!is_on(source)) {
        fputs("\"remote\":null", out);
        return;
    }
    *lb_json_escape(topic, remote->hand.command_topic, strlen(remote->hand.command_topic)) = '\0';
    fprintf(out, "\"remote\":{\"state\":\"%s\",\"topic\":\"%s\",\"done\":%llu,\"refused\":%llu",
            state_of(remote), topic, (unsigned long long)remote->done, (unsigned long long)remote->refused);
    fprintf(out, ",\"silent\":%llu,\"lost\":%llu,\"levels\":{", (unsigned long long)remote->silent,
            (unsigned long long)remote->hand.lost);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
        if (!read_level(source, row, now_ns, &service, &level, &left_ms))
            continue;
        fprintf(out, "%s\"%.*s\":{\"level\":\"%s\",\"left_s\":%.3f}", before, name_len(source, row), service,
                lb_level_name(level), (double)left_ms / 1e3);
        before = ",";
    }
    fputs("}}", out);
}

void lb_status_print_remote_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    const struct lb_remote *remote = source->remote;
    const char *service;
    uint64_t left_ms;
    char time[32];
    int level;

    if (!is_on(source))
        return;
    fprintf(out, "\nremote: %s to %s, %llu commands done, %llu refused\n", state_of(remote),
            remote->hand.command_topic, (unsigned long long)remote->done,
            (unsigned long long)remote->refused);
    if (remote->hand.lost > 0)
        fprintf(out, "  %llu came too fast to be looked at\n", (unsigned long long)remote->hand.lost);
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++)
        if (read_level(source, row, now_ns, &service, &level, &left_ms))
            fprintf(out, "  %.*s has the level %s, for %s more\n", name_len(source, row), service,
                    lb_level_name(level), lb_units_print_duration(left_ms / 1000 * 1000, time, sizeof time));
}

void lb_metrics_print_remote(const struct lb_status_source *source, FILE *out)
{
    const struct lb_remote *remote = source->remote;

    if (!is_on(source))
        return;
    fprintf(out,
            "# HELP logboom_remote_commands_total Commands from afar, by what became of them.\n"
            "# TYPE logboom_remote_commands_total counter\n"
            "logboom_remote_commands_total{outcome=\"done\"} %llu\n"
            "logboom_remote_commands_total{outcome=\"refused\"} %llu\n"
            "logboom_remote_commands_total{outcome=\"lost\"} %llu\n",
            (unsigned long long)remote->done, (unsigned long long)remote->refused,
            (unsigned long long)remote->hand.lost);
    fprintf(out,
            "# HELP logboom_remote_subscribed 1 if commands from afar are heard.\n"
            "# TYPE logboom_remote_subscribed gauge\n"
            "logboom_remote_subscribed %d\n",
            remote->hand.state == LB_MQTT_HAND_HEARING);
}
