package processor

// NoLimit is given to an option that limits something, a number or a duration, in order not to.
// 0 is none at all: no retry, no message, no wait.
const NoLimit = -1
