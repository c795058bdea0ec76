/** What columns are taken for by their names, and what a file lacks. */
import { describe, expect, test } from 'vitest';
import { channels } from '../../../channels/index.ts';
import { columnsOf, doubled, guess, meaningsOf, missing } from '../../../src/features/campaigns/columns.ts';

const FIELDS = new Set(['email', 'phone', 'slack_user_id', 'language', 'time_zone']);
const of = (ids: readonly string[], variables: readonly string[] = []) =>
  meaningsOf(
    channels.filter(({ id }) => ids.includes(id)),
    FIELDS,
    variables.map((name) => ({ name, required: name !== 'place' })),
  );
const BOTH = of(['email', 'sms'], ['name', 'order_id', 'place']);

describe('meanings', () => {
  test('are the fields of the channels, each once, the variables, and what a row may say', () => {
    expect(of(['sms', 'voice'], ['name']).map(({ value }) => value)).toEqual([
      'field:phone',
      'data:name',
      'field:language',
      'field:time_zone',
    ]);
  });
});

describe('a guess', () => {
  test.each([
    ['email', 'field:email'],
    ['E-Mail', 'field:email'],
    [' e-mail address ', 'field:email'],
    ['Phone', 'field:phone'],
    ['Mobile number', 'field:phone'],
    ['TELEPHONE', 'field:phone'],
    ['SMS', 'field:phone'],
    ['Order ID', 'data:order_id'],
    ['order_id', 'data:order_id'],
    ['data.order_id', 'data:order_id'],
    ['Time-zone', 'field:time_zone'],
    ['locale', 'field:language'],
    ['Shoe size', ''],
    ['', ''],
    ['constructor', ''],
  ])('takes %j for %j', (name, value) => {
    expect(guess([name], BOTH)).toEqual([value]);
  });
  test('gives no meaning twice', () => {
    expect(guess(['Phone', 'Mobile', 'phone'], BOTH)).toEqual(['field:phone', '', '']);
  });
  test('offers no field that no channel has', () => {
    expect(guess(['email', 'phone'], of(['email']))).toEqual(['field:email', '']);
  });
});

test('what is required and has no column is missing; what is optional is not', () => {
  expect(missing(['field:email', '', 'data:name'], BOTH).map(({ value }) => value)).toEqual([
    'field:phone',
    'data:order_id',
  ]);
});

test('the second column of one meaning is told by its place', () => {
  expect(doubled(['', 'data:name', '', 'data:name', 'data:name'])).toEqual([3, 4]);
});

test('columns without a meaning, or with one that is gone, are not read', () => {
  expect(columnsOf(['field:phone', '', 'data:gone', 'data:name'], BOTH)).toEqual([
    { name: 'phone', variable: false },
    undefined,
    undefined,
    { name: 'name', variable: true },
  ]);
});
