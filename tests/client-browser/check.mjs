// Shops in the boutique as a person does, in headless Chromium. Takes SHOP (a URL), BROWSER (the program) and PICTURES (a
// folder for screenshots); prints `ok NAME` for what worked, the trace of the order as `trace ID`, and ends with exit code 1
// and the reason otherwise.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const shop = process.env.SHOP;
const pictures = process.env.PICTURES;

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

const profile = await mkdtemp(join(tmpdir(), 'enclave-browser-'));
let browser;
try {
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.BROWSER,
    viewport: { width: 1280, height: 900 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const page = await browser.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('response', (response) => { if (response.status() >= 400) faults.push(`${response.status()} ${response.url()}`); });
  const picture = (name) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

  await page.goto(shop);
  const products = await page.locator('a[href^="/product/"]').evaluateAll((links) => [...new Set(links.map((link) => link.pathname))]);
  expect(products.length >= 9, `${products.length} products on the first page`);
  const drawn = await page.locator('img').evaluateAll((images) => images.every((image) => image.complete && image.naturalWidth > 0));
  expect(drawn, 'a picture of the first page does not show');
  await picture('home');
  console.log('ok home');

  await page.goto(shop + products[0]);
  await picture('product');
  const name = (await page.locator('h1, h2').first().innerText()).trim();
  await page.locator('form[action="/cart"] [type=submit], form[action="/cart"] button').first().click();
  await page.waitForURL('**/cart');
  expect((await page.content()).includes(name), `${name} is not in the cart`);
  await picture('cart');
  console.log('ok cart');

  const answered = page.waitForResponse((response) => response.url().endsWith('/cart/checkout'));
  await page.locator('form[action="/cart/checkout"] [type=submit], form[action="/cart/checkout"] button').first().click();
  const order = await answered;
  await page.waitForLoadState();
  expect(order.status() === 200, `checkout: ${order.status()}`);
  await picture('order');
  console.log(`trace ${order.headers()['x-b3-traceid']}`);
  console.log('ok order');

  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(shop);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow <= 0, `the page is ${overflow} pixels too wide for a phone`);
  await picture('phone');
  expect(faults.length === 0, `the browser complains: ${faults.join('; ')}`);
  console.log('ok phone');
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser?.close();
  await rm(profile, { recursive: true, force: true });
}
