/* SPDX-License-Identifier: MIT */
/*
 * The rows of [sink NAME], included by the key table (keys.c) where they belong in it. Out of the box only
 * there: they are made of its macros.
 */
#define HTTP_SINKS "datadog|loki|otlp|elasticsearch|splunk|http"

/* A row reads as a paragraph. */
/* clang-format off */
    { KEY(SINK, "sink", "type"), LB_KEY_WORD, FIELD(lb_sink_config, type), .dflt = "", .sample = "datadog",
      .choices = "datadog|loki|otlp|elasticsearch|splunk|http|syslog|mqtt|file", .is_required = true,
      .help = "Where records go: datadog is Datadog's log intake, loki Grafana Loki, otlp whatever takes OTLP/HTTP (an "
              "OpenTelemetry Collector), elasticsearch Elasticsearch or OpenSearch, splunk a HTTP Event Collector, http "
              "any address that takes JSON, syslog a syslog server, mqtt an MQTT broker; file appends them to a file." },
    { KEY(SINK, "sink", "url"), LB_KEY_URL, FIELD(lb_sink_config, url), .dflt = "", .sink_type = HTTP_SINKS,
      .help = "The intake's full address. Datadog's comes from site without it; to that of others their own path is "
              "added where it has none: /loki/api/v1/push, /v1/logs, /_bulk, /services/collector/event." },
    { KEY(SINK, "sink", "site"), LB_KEY_HOST, FIELD(lb_sink_config, site), .dflt = "datadoghq.com",
      .max = 253, .sink_type = "datadog",
      .help = "Datadog's site: datadoghq.com, datadoghq.eu, us3.datadoghq.com ..." },
    { KEY(SINK, "sink", "api_key_file"), LB_KEY_PATH, FIELD(lb_sink_config, api_key_file), .dflt = "",
      .sample = "/etc/logboom/api_key", .sink_type = HTTP_SINKS "|mqtt",
      .help = "File that holds the API key, the token, user:password, or of mqtt's user the password, and nothing else, "
              "mode 0600. Where it is not "
              "there: NAME.api_key, by the sink's name, then api_key of $CREDENTIALS_DIRECTORY (LoadCredential= of systemd), "
              "then, for datadog, $DD_API_KEY." },
    { KEY(SINK, "sink", "auth"), LB_KEY_CHOICE, FIELD(lb_sink_config, auth), .dflt = "none",
      .choices = "none|bearer|basic|apikey|header", .sink_type = "loki|otlp|elasticsearch|http",
      .help = "How the secret of api_key_file is shown: bearer and apikey put it behind that word in Authorization, "
              "basic takes user:password, header puts it into auth_header as it is." },
    { KEY(SINK, "sink", "auth_header"), LB_KEY_TEXT, FIELD(lb_sink_config, auth_header), .dflt = "Authorization",
      .max = 64, .sink_type = "loki|otlp|elasticsearch|http",
      .help = "With auth = header: the header's name, such as Api-Key." },
    { KEY(SINK, "sink", "headers"), LB_KEY_PHRASE, FIELD(lb_sink_config, headers), .dflt = "", .max = 512,
      .example = "X-Team: sensors; X-Site: north", .sink_type = "loki|otlp|elasticsearch|splunk|http",
      .help = "More headers of each request, parted by semicolons. They are shown to whoever may read this file." },
    { KEY(SINK, "sink", "compression"), LB_KEY_CHOICE, FIELD(lb_sink_config, compression), .dflt = "zstd",
      .choices = "none|gzip|zstd",
      .help = "How bodies are packed. Without it datadog and mqtt have zstd, the others gzip, a file none; loki, elasticsearch and "
              "splunk do not read zstd. A packed file (zstd) is read by zstdcat." },
    { KEY(SINK, "sink", "level"), LB_KEY_NUMBER, FIELD(lb_sink_config, level), .dflt = "1", .min = 1,
      .max = 19, .unit = "as zstd counts; gzip takes at most 9",
      .help = "How hard to compress. Every step costs CPU and memory; logboomd -t tells how much memory." },
    { KEY(SINK, "sink", "sequence"), LB_KEY_CHOICE, FIELD(lb_sink_config, sequence), .dflt = "batch",
      .choices = "off|batch|all",
      .help =
          "Numbers by which the receiver can prove that it has all: batch puts them on the first record of a "
          "body, all on every record (the default of a file sink), off on none." },
    { KEY(SINK, "sink", "body_bytes"), LB_KEY_SIZE, FIELD(lb_sink_config, body_bytes), .dflt = "256K",
      .min = 16 * KIB, .max = 4 * MIB, .off_never = "a body is built in RAM",
      .help = "A body is closed at this size, before compression." },
    { KEY(SINK, "sink", "body_lines"), LB_KEY_NUMBER, FIELD(lb_sink_config, body_lines), .dflt = "1000",
      .min = 1, .max = 1000, .unit = "records", .off_means = "1000, the most that an intake takes",
      .off_value = 1000, .help = "A body is closed at this many records." },
    { KEY(SINK, "sink", "wait"), LB_KEY_DURATION, FIELD(lb_sink_config, wait_ms), .dflt = "15s",
      .max = HOUR_MS, .off_never = "a quiet service's lines would never leave; 1h is the most",
      .help = "A body is closed when its first record has waited this long. Longer packs better." },
    { KEY(SINK, "sink", "urgent_wait"), LB_KEY_DURATION, FIELD(lb_sink_config, urgent_wait_ms), .dflt = "2s",
      .max = HOUR_MS, .off_means = "an urgent record waits like any other", .off_value = LB_OFF,
      .help = "The same for a body that holds an urgent record." },
    { KEY(SINK, "sink", "concurrency"), LB_KEY_NUMBER, FIELD(lb_sink_config, concurrency), .dflt = "2",
      .min = 1, .max = 8, .unit = "bodies", .reload = LB_RELOAD_RESTART,
      .off_never = "each body takes memory, and that has a ceiling",
      .help = "Bodies in flight at a time. Two never hold the same service, so its lines arrive in order." },
    { KEY(SINK, "sink", "timeout"), LB_KEY_DURATION, FIELD(lb_sink_config, timeout_ms), .dflt = "30s",
      .min = 100, .max = HOUR_MS, .off_never = "a request that never ends would keep its body for ever",
      .sink_type = HTTP_SINKS "|syslog|mqtt", .help = "A request without an answer is given up and tried again." },
    { KEY(SINK, "sink", "retry_min"), LB_KEY_DURATION, FIELD(lb_sink_config, retry_min_ms), .dflt = "1s",
      .min = 10, .max = HOUR_MS, .off_never = "a sink in trouble needs a pause",
      .help =
          "The first pause after a failure, four times as long after an answer such as 503. It doubles with "
          "each further one, and a random part of it is taken." },
    { KEY(SINK, "sink", "retry_max"), LB_KEY_DURATION, FIELD(lb_sink_config, retry_max_ms), .dflt = "5m",
      .min = 10, .max = 24 * HOUR_MS, .off_never = "the pause would grow until nothing is tried any more",
      .help = "The longest pause. Not below retry_min." },
    { KEY(SINK, "sink", "clock_wait"), LB_KEY_DURATION, FIELD(lb_sink_config, clock_wait_ms), .dflt = "60s",
      .max = HOUR_MS, .off_means = "nothing waits for the clock", .off_value = 0,
      .help = "How long after the machine's start routine records wait at most for the clock to be "
              "synchronised. Urgent ones leave at once, and say that their time is not known for sure." },
    { KEY(SINK, "sink", "max_age"), LB_KEY_DURATION, FIELD(lb_sink_config, max_age_ms), .dflt = "18h",
      .min = SECOND_MS, .max = 366 * 24 * HOUR_MS, .off_means = "no record is too old", .off_value = LB_OFF,
      .sink_type = "datadog|loki",
      .help = "The sink takes no record that is older; see expired. Without it loki has 6d." },
    { KEY(SINK, "sink", "expired"), LB_KEY_CHOICE, FIELD(lb_sink_config, expired), .dflt = "restamp",
      .choices = "restamp|drop", .sink_type = "datadog|loki",
      .help =
          "What becomes of a record that is older than max_age: it gets the time of sending, and its own as "
          "logboom.original_ms; or it is dropped, and told in a receipt." },
    { KEY(SINK, "sink", "proxy"), LB_KEY_URL, FIELD(lb_sink_config, proxy), .dflt = "",
      .sink_type = HTTP_SINKS, .off_means = "none, whatever the environment says",
      .help =
          "The HTTP proxy to go through, as http://host:port. Without it: what https_proxy and its like in "
          "the environment say." },
    { KEY(SINK, "sink", "tls_ca"), LB_KEY_PATH, FIELD(lb_sink_config, tls_ca), .dflt = "",
      .sink_type = HTTP_SINKS "|syslog|mqtt", .help = "File of CA certificates to trust. Without it: those of the system." },
    { KEY(SINK, "sink", "tls_cert"), LB_KEY_PATH, FIELD(lb_sink_config, tls_cert), .dflt = "",
      .sink_type = HTTP_SINKS "|syslog|mqtt", .help = "File of a certificate to show, PEM, for a sink that asks who we are." },
    { KEY(SINK, "sink", "tls_key"), LB_KEY_PATH, FIELD(lb_sink_config, tls_key), .dflt = "",
      .sink_type = HTTP_SINKS "|syslog|mqtt", .help = "File of its key, PEM, without a passphrase." },
    { KEY(SINK, "sink", "labels"), LB_KEY_TEMPLATE, FIELD(lb_sink_config, labels), .dflt = "",
      .example = "fleet:north", .sink_type = "loki",
      .help = "Labels of every stream beside host, service and level: k:v,k:v. Few, with few values each: all else is "
              "structured metadata. Expands what hostname expands." },
    { KEY(SINK, "sink", "tenant"), LB_KEY_TEXT, FIELD(lb_sink_config, tenant), .dflt = "", .max = 150,
      .sink_type = "loki", .help = "X-Scope-OrgID, for a Loki of several tenants." },
    { KEY(SINK, "sink", "index"), LB_KEY_TEXT, FIELD(lb_sink_config, index), .dflt = "", .max = 255,
      .sample = NULL, .example = "logs-logboom-default", .sink_type = "elasticsearch|splunk",
      .help = "The index or data stream. elasticsearch needs one unless url names it; splunk has the token's own." },
    { KEY(SINK, "sink", "source_type"), LB_KEY_TEXT, FIELD(lb_sink_config, source_type), .dflt = "logboom", .max = 128,
      .sink_type = "splunk", .help = "Splunk's sourcetype." },
    { KEY(SINK, "sink", "format"), LB_KEY_CHOICE, FIELD(lb_sink_config, format), .dflt = "ndjson",
      .choices = "ndjson|array", .sink_type = "http", .help = "One JSON object a line, or an array of them." },
    { KEY(SINK, "sink", "ok"), LB_KEY_TEXT, FIELD(lb_sink_config, ok), .dflt = "200-299", .max = 64,
      .sink_type = "http", .help = "The statuses that mean that all was taken: 200,202 or 200-299." },
    { KEY(SINK, "sink", "address"), LB_KEY_TEXT, FIELD(lb_sink_config, address), .dflt = "", .max = 300,
      .example = "tls://logs.example.com:6514", .sink_type = "syslog|mqtt",
      .help = "The syslog server: tls://HOST:PORT (RFC 5425), tcp://HOST:PORT, unix:PATH of a stream socket, or "
              "unix-dgram:PATH of a datagram socket. Messages are RFC 5424: each with its length in front (RFC 6587), or "
              "each a datagram of its own. journald's /dev/log does not take that form apart. Or the MQTT broker: "
              "mqtts://HOST:PORT (TLS), mqtt://HOST:PORT." },
    { KEY(SINK, "sink", "facility"), LB_KEY_NUMBER, FIELD(lb_sink_config, facility), .dflt = "1", .max = 23,
      .unit = "as RFC 5424 counts: 1 is user, 3 daemon, 16 local0", .sink_type = "syslog",
      .off_never = "a message has one", .help = "The facility of what did not come with one." },
    { KEY(SINK, "sink", "protocol"), LB_KEY_CHOICE, FIELD(lb_sink_config, protocol), .dflt = "5",
      .choices = "3.1.1|5", .sink_type = "mqtt",
      .help = "The version of MQTT. With 5 a message tells its content type and how it is packed, and a broker that takes "
              "none says so; with 3.1.1 it can only acknowledge what it throws away, or hang up." },
    { KEY(SINK, "sink", "topic"), LB_KEY_TEMPLATE, FIELD(lb_sink_config, topic), .dflt = "logs/{host}/{service}",
      .example = "logs/{host}/{service}", .sink_type = "mqtt",
      .help = "Where bodies are published, with QoS 1. {host} is [agent] hostname; {service} becomes all, since a body "
              "holds lines of many services, each with its own name in it. Expands what hostname expands." },
    { KEY(SINK, "sink", "status_topic"), LB_KEY_TEMPLATE, FIELD(lb_sink_config, status_topic),
      .dflt = "logs/{host}/status", .example = "logs/{host}/status", .sink_type = "mqtt",
      .off_means = "nothing is published there",
      .help = "Where {\"online\":1} is retained while there is a connection, and {\"online\":0} when there is none." },
    { KEY(SINK, "sink", "client_id"), LB_KEY_TEMPLATE, FIELD(lb_sink_config, client_id), .dflt = "logboom-%hostname",
      .example = "logboom-%hostname", .sink_type = "mqtt",
      .help = "The name by which the broker knows the device; no two may have the same. Expands what hostname expands." },
    { KEY(SINK, "sink", "user"), LB_KEY_TEXT, FIELD(lb_sink_config, user), .dflt = "", .max = 512, .sink_type = "mqtt",
      .help = "Who we are to the broker; the password is in api_key_file. Without it no password is shown." },
    { KEY(SINK, "sink", "keepalive"), LB_KEY_DURATION, FIELD(lb_sink_config, keepalive_ms), .dflt = "60s",
      .min = 5 * SECOND_MS, .max = 18 * HOUR_MS, .sink_type = "mqtt", .off_never = "nobody would notice a dead connection",
      .help = "A connection that is silent for so long is tried; half of it later the broker gives it up." },
    { KEY(SINK, "sink", "path"), LB_KEY_PATH, FIELD(lb_sink_config, path), .dflt = "", .sink_type = "file",
      .help = "The file that a sink of type file appends to, one JSON object a line. It needs one." },
    { KEY(SINK, "sink", "rotate"), LB_KEY_SIZE, FIELD(lb_sink_config, rotate_bytes), .dflt = "16M",
      .min = 64 * KIB, .max = 1024 * 1024 * MIB, .off_means = "it grows without end", .off_value = LB_OFF,
      .sink_type = "file", .help = "At this size the file becomes PATH.1, that PATH.2, and a new one is begun." },
    { KEY(SINK, "sink", "keep"), LB_KEY_NUMBER, FIELD(lb_sink_config, keep), .dflt = "3", .max = 1000,
      .unit = "files", .off_means = "the full file is removed", .off_value = 0, .sink_type = "file",
      .help = "How many full files are kept." },
    { KEY(SINK, "sink", "allow_flash"), LB_KEY_BOOL, FIELD(lb_sink_config, allow_flash), .dflt = "no",
      .sink_type = "file",
      .help = "Append to a file on an SD card, eMMC or a USB disk too. Each line then wears the card: what logboom is "
              "there to prevent." },
    { KEY(SINK, "sink", "services"), LB_KEY_TEXT, FIELD(lb_sink_config, services), .dflt = "",
      .help = "The services whose records it gets: names parted by commas, as in a shell: * ? [a-z]. Without it: all." },
    { KEY(SINK, "sink", "min_level"), LB_KEY_LEVEL, FIELD(lb_sink_config, min_level), .dflt = "debug",
      .off_means = "no record is too little", .off_value = LB_LEVEL_DEBUG,
      .help = "A record that is less severe is not for it." },
    { KEY(SINK, "sink", "primary"), LB_KEY_BOOL, FIELD(lb_sink_config, primary), .dflt = "yes",
      .help = "no: it gets copies at best effort, and what it misses is lost to it alone. That everything has arrived is "
              "claimed of a sink with yes, and without services and min_level, only. One sink at least has yes." },
    { KEY(SINK, "sink", "when"), LB_KEY_CHOICE, FIELD(lb_sink_config, when), .dflt = "always",
      .choices = "always|unmetered|urgent-only", .sink_type = HTTP_SINKS "|syslog|mqtt",
      .help = "What it gets over a metered link (see metered in [network]): always, the same as ever; unmetered, nothing, and "
              "what waits stays in queue and backlog; urgent-only, urgent records (see urgent in [ring]), and the rest "
              "waits." },
    { KEY(SINK, "sink", "queue"), LB_KEY_SIZE, FIELD(lb_sink_config, queue_bytes), .dflt = "1M", .min = 64 * KIB,
      .max = 64 * MIB, .reload = LB_RELOAD_RESTART, .off_never = "every record for it passes through it",
      .help = "RAM for records that wait for this sink. At least three times the longest max_line. The first sink has the "
              "ring instead." },
    { KEY(SINK, "sink", "queue_backlog"), LB_KEY_SIZE, FIELD(lb_sink_config, queue_backlog_bytes), .dflt = "4M",
      .min = 256 * KIB, .max = 512 * MIB, .reload = LB_RELOAD_RESTART,
      .off_means = "what the queue has no room for is given up", .off_value = 0,
      .help = "RAM for what the queue has no room for while this sink is away, compressed. The first sink has [backlog] "
              "instead." },
