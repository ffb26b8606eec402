/* Sends prepared HTTP requests over many connections, checks every answer, and tells how long each took, as JSON.

   A conversation is a list of requests that are sent one after the other, each when the one before was answered.
   Usage: load_generator PORT CONNECTIONS SECONDS RATE FILE AUTH_API_PORT
   RATE is in requests a second; 0 sends as fast as answers come. With a rate, a wait counts from the moment at which the
   request was due, so that a server that stands still is not spared.
   FILE: "conversations messages\n", a line for each message with what its answer must contain, then each request as
   "length\n" and its bytes.
   AUTH_API_PORT: a port on which this process plays the auth API, which says yes to everything; 0 for none. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 1 << 16, EVENTS = 256 };

typedef struct { char *bytes; int length; } Request;
typedef enum { BOT, AUTH_LISTENER, AUTH_CALL } Kind;

typedef struct {
  Kind kind;
  int socket, conversation, message, sent, is_waiting, answers_on_this;
  double due;
  int length;
  char answer[ANSWER_MAX];
} Connection;

static int conversations, messages, next_conversation, epoll_fd, bot_port;
static Request *requests;
static char **expected;
static double *waits;
static long answered, waits_room, failures;
static char first_failure[400];
static const char AUTH_ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"success\": true}";

static double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) { perror(what); exit(1); }

static void read_requests(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fscanf(file, "%d %d\n", &conversations, &messages) != 2) die(path);
  expected = calloc(messages, sizeof *expected);
  for (int i = 0; i < messages; i++) {
    size_t room = 0;
    ssize_t length = getline(&expected[i], &room, file);
    if (length < 1) die("expected");
    expected[i][length - 1] = 0;
  }
  requests = calloc((size_t)conversations * messages, sizeof *requests);
  for (int i = 0; i < conversations * messages; i++) {
    if (fscanf(file, "%d", &requests[i].length) != 1 || fgetc(file) != '\n') die("length");
    requests[i].bytes = malloc(requests[i].length);
    if (fread(requests[i].bytes, 1, requests[i].length, file) != (size_t)requests[i].length) die("request");
  }
  fclose(file);
}

static void watch(Connection *c, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(epoll_fd, operation, c->socket, &event)) die("epoll_ctl");
}

static void open_socket(Connection *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(bot_port)};
  int one = 1;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  c->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(c->socket, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
  c->answers_on_this = 0;
  watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void reopen(Connection *c) {
  close(c->socket);
  c->sent = 0;
  c->length = 0;
  open_socket(c);
}

static Request *request_of(Connection *c) { return &requests[c->conversation * messages + c->message]; }

static void push(Connection *c) {
  Request *request = request_of(c);
  while (c->sent < request->length) {
    ssize_t n = send(c->socket, request->bytes + c->sent, request->length - c->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN || errno == ENOTCONN) return;
      if (errno == EPIPE || errno == ECONNRESET) { reopen(c); return; }
      die("send");
    }
    c->sent += n;
  }
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* Gives an idle connection its next request; 0 when no conversation is left. */
static int begin(Connection *c, double due) {
  if (c->conversation < 0 || c->message == messages) {
    if (next_conversation == conversations) return 0;
    c->conversation = next_conversation++;
    c->message = 0;
  }
  c->sent = c->length = 0;
  c->is_waiting = 1;
  c->due = due;
  push(c);
  return 1;
}

static void note(Connection *c, const char *body, int is_good) {
  if (answered == waits_room) waits = realloc(waits, (waits_room = waits_room ? 2 * waits_room : 65536) * sizeof *waits);
  waits[answered++] = now_seconds() - c->due;
  if (!is_good && !failures++) snprintf(first_failure, sizeof first_failure, "message %d: %.300s", c->message, body);
  c->message++;
  c->is_waiting = 0;
}

/* 1 when the answer in the buffer is whole. */
static int is_whole(Connection *c, char **body, int is_over) {
  c->answer[c->length] = 0;
  char *end = strstr(c->answer, "\r\n\r\n");
  if (!end) return 0;
  *body = end + 4;
  char *given = strcasestr(c->answer, "\r\nContent-Length:");
  if (given && given < end) return c->length - (int)(*body - c->answer) >= atoi(given + 17);
  return is_over;
}

static void read_bot(Connection *c) {
  for (;;) {
    ssize_t n = recv(c->socket, c->answer + c->length, ANSWER_MAX - 1 - c->length, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) c->length += n;
    char *body = c->answer;
    if (c->is_waiting && is_whole(c, &body, n <= 0)) {
      int closes = n <= 0 || strcasestr(c->answer, "\r\nConnection: close") != NULL;
      note(c, body, strncmp(c->answer + 9, "200", 3) == 0 && strstr(body, expected[c->message]) != NULL);
      c->answers_on_this++;
      c->length = 0;
      if (closes) reopen(c);
      return;
    }
    if (n <= 0) {
      /* A kept connection may be closed under a request that was never read; one of its first is a failure. */
      if (c->is_waiting && c->answers_on_this == 0) { note(c, c->length ? c->answer : "closed without an answer", 0); }
      reopen(c);
      return;
    }
  }
}

static void accept_auth(Connection *listener) {
  int accepted;
  while ((accepted = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    int one = 1;
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Connection *c = calloc(1, sizeof *c);
    c->kind = AUTH_CALL;
    c->socket = accepted;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
  }
}

static void answer_auth(Connection *c) {
  for (;;) {
    ssize_t n = recv(c->socket, c->answer + c->length, ANSWER_MAX - 1 - c->length, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { close(c->socket); free(c); return; }
    c->length += n;
    char *body;
    if (is_whole(c, &body, 0)) {
      if (send(c->socket, AUTH_ANSWER, sizeof AUTH_ANSWER - 1, MSG_NOSIGNAL) < 0) { close(c->socket); free(c); return; }
      c->length = 0;
    }
  }
}

static void listen_as_auth_api(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  Connection *listener = calloc(1, sizeof *listener);
  int one = 1;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  listener->kind = AUTH_LISTENER;
  listener->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener->socket, (struct sockaddr *)&address, sizeof address) || listen(listener->socket, 512)) die("bind");
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double at(double share) {
  long place = (long)(share * answered);
  return answered ? 1000 * waits[place < answered ? place : answered - 1] : 0;
}

static double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print_text(const char *text) {
  putchar('"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') printf("\\%c", *text);
    else if ((unsigned char)*text < 32) printf("\\u%04x", *text);
    else putchar(*text);
  }
  putchar('"');
}

int main(int count, char **given) {
  if (count != 7) { fprintf(stderr, "usage: load_generator PORT CONNECTIONS SECONDS RATE FILE AUTH_API_PORT\n"); return 2; }
  bot_port = atoi(given[1]);
  int connections = atoi(given[2]);
  double seconds = atof(given[3]), rate = atof(given[4]);
  read_requests(given[5]);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (atoi(given[6])) listen_as_auth_api(atoi(given[6]));
  Connection *all = calloc(connections, sizeof *all);
  for (int i = 0; i < connections; i++) { all[i].conversation = -1; open_socket(&all[i]); }
  double cpu_before = cpu_seconds(), started = now_seconds(), end = started + seconds, ended;
  long begun = 0;
  int may_begin = 1;
  struct epoll_event events[EVENTS];
  for (;;) {
    double now = now_seconds();
    if (now >= end) may_begin = 0;
    int waiting = 0;
    for (int i = 0; i < connections; i++) {
      if (!all[i].is_waiting && may_begin && (rate == 0 || started + begun / rate <= now)) {
        if (begin(&all[i], rate == 0 ? now : started + begun / rate)) begun++;
      }
      waiting += all[i].is_waiting;
    }
    if (!waiting && (!may_begin || next_conversation == conversations)) break;
    if (now > end + 20) break;
    int n = epoll_wait(epoll_fd, events, EVENTS, rate == 0 ? 100 : 1);
    for (int i = 0; i < n; i++) {
      Connection *c = events[i].data.ptr;
      if (c->kind == AUTH_LISTENER) accept_auth(c);
      else if (c->kind == AUTH_CALL) answer_auth(c);
      else {
        if (events[i].events & EPOLLOUT) {
          if (c->is_waiting) push(c);
          else watch(c, EPOLL_CTL_MOD, EPOLLIN);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_bot(c);
      }
    }
  }
  ended = now_seconds();
  qsort(waits, answered, sizeof *waits, by_size);
  printf("{\"answered\": %ld, \"seconds\": %.4f, \"failures\": %ld, \"p50_ms\": %.3f, \"p95_ms\": %.3f, \"p99_ms\": %.3f, "
         "\"cpu_seconds\": %.4f, \"conversations\": %d, \"first_failure\": ",
         answered, ended - started, failures, at(.5), at(.95), at(.99), cpu_seconds() - cpu_before, next_conversation);
  print_text(first_failure);
  puts("}");
  return 0;
}
