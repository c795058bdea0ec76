/** The one thing rendering throws on purpose. The message is for the author of the data and says the fix. */
export class RenderError extends Error {
  /** `missing`: a value is not there. `wrong`: it is of another kind. `large`: the result, or the work for it, is too much. */
  readonly reason: 'missing' | 'wrong' | 'large';
  /** `name`, `items.0.price`; empty when it is about the whole. */
  readonly path: string;
  constructor(reason: 'missing' | 'wrong' | 'large', path: string, message: string) {
    super(message);
    this.name = 'RenderError';
    this.reason = reason;
    this.path = path;
  }
}
