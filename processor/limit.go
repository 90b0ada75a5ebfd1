package processor

// NoLimit turns off an option that limits a number or a duration.
// 0 is not the same: it allows no retry, no message, no wait.
const NoLimit = -1
