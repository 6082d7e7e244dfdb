// How the Node programs write their transcript.
'use strict';

const plain = (_, value) => {
  if (typeof value === 'bigint') return `${value}n`;
  if (value && value.type === 'Buffer') return Buffer.from(value.data).toString('hex');
  return value === undefined ? 'undefined' : value;
};

const step = (title) => console.log(`== ${title}`);
const show = (label, ...values) => console.log(`${label}: ${values.map((value) => JSON.stringify(value, plain)).join(' | ')}`);

// Whatever `work` does must fail; the failure is written down by `describe`.
async function expect(work, describe = (error) => `${error.code} ${error.message}`) {
  let failed = false;
  try {
    await work();
  } catch (error) {
    failed = true;
    console.log(`error: ${describe(error)}`);
  }
  if (!failed) throw new Error('an error was expected and did not come');
}

module.exports = { step, show, expect };
