/** Random numbers of 64 bits. To ask for random bits takes as long as a look at a queue does, for one as for many. */
export class Nonces {
  readonly #drawn = new BigUint64Array(512);
  #used = this.#drawn.length;

  next(): bigint {
    if (this.#used === this.#drawn.length) {
      crypto.getRandomValues(this.#drawn);
      this.#used = 0;
    }
    this.#used += 1;
    return this.#drawn[this.#used - 1]!;
  }
}
