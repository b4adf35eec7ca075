/* The floor: what the kernel's UDP path costs by itself. It sends every datagram back, marked as a
   response, by recvmmsg and sendmmsg. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 32

int main(int argc, char **argv) {
	if (argc != 3) return 2;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
	inet_pton(AF_INET, argv[1], &at.sin_addr);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (bind(fd, (struct sockaddr *)&at, sizeof at)) { perror("bind"); return 1; }
	static unsigned char buf[BATCH][4096];
	struct sockaddr_in from[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr m[BATCH];
	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){buf[i], sizeof buf[i]};
			m[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &iov[i], .msg_iovlen = 1};
		}
		int n = recvmmsg(fd, m, BATCH, MSG_WAITFORONE, 0);
		for (int i = 0; i < n; i++) {
			buf[i][2] |= 0x80;
			iov[i].iov_len = m[i].msg_len;
		}
		for (int done = 0; done < n;) {
			int sent = sendmmsg(fd, m + done, n - done, 0);
			if (sent < 1) break;
			done += sent;
		}
	}
}
